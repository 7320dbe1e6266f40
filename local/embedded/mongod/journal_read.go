package mongod

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"
)

// A replayer applies one record of a journal.
type replayer func(kind byte, ns string, doc bsoncore.Document) error

// whatToDo ends what is said of a journal that cannot be read.
const whatToDo = "put a copy of the file back, or remove it to begin with an empty database"

// openJournal opens or makes the journal of a directory and hands its records
// to replay. What a death left at the end that is no record is cut off, and
// cut says how many bytes; damage before a record is an error, and so is a file
// without its first line: a new one always has it. The returned size is the
// file's.
func openJournal(dir string, replay replayer) (j *journal, size, cut int64, err error) {
	name := filepath.Join(dir, "journal")
	f, err := os.OpenFile(name, os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) {
		j, err := rewriteJournal(dir, func(func(byte, string, bsoncore.Document)) {})
		return j, int64(len(journalMagic)), 0, err
	}
	if err != nil {
		return nil, 0, 0, fmt.Errorf("open the journal: %w", err)
	}
	info, err := f.Stat()
	if err == nil {
		size, err = readJournal(f, info.Size(), replay)
	}
	if err == nil {
		cut = info.Size() - size
		err = f.Truncate(size)
	}
	if err == nil {
		_, err = f.Seek(size, io.SeekStart)
	}
	if err != nil {
		return nil, 0, 0, errors.Join(fmt.Errorf("read the journal %s: %w", name, err), f.Close())
	}
	return &journal{file: f}, size, cut, nil
}

// readJournal returns where the last whole record ends.
func readJournal(f *os.File, size int64, replay replayer) (int64, error) {
	r := bufio.NewReaderSize(f, 1<<20)
	magic := make([]byte, min(size, int64(len(journalMagic))))
	if _, err := io.ReadFull(r, magic); err != nil {
		return 0, err
	}
	switch {
	case string(magic) == journalMagic:
	case string(magic) == journalMagic[:len(magic)]:
		return 0, fmt.Errorf("it was emptied, and what it held is not there any more: %s", whatToDo)
	default:
		return 0, fmt.Errorf("not a journal of this server, or one of an older version: %s", whatToDo)
	}
	var payload []byte
	var ns string // most records are of the namespace before
	for at := int64(len(magic)); ; {
		left := size - at
		if left < recordHeader {
			return at, nil
		}
		var header [recordHeader]byte
		if _, err := io.ReadFull(r, header[:]); err != nil {
			return 0, err
		}
		length, ok := payloadLength(header[:])
		next := at + recordHeader + length
		if !ok {
			return at, noRecordAfter(f, at, size)
		}
		if next > size {
			return at, nil
		}
		if int64(cap(payload)) < length {
			payload = make([]byte, length)
		}
		payload = payload[:length]
		if _, err := io.ReadFull(r, payload); err != nil {
			return 0, err
		}
		if binary.LittleEndian.Uint32(header[4:]) != crc32.Checksum(payload, castagnoli) {
			return at, noRecordAfter(f, at, size)
		}
		end := bytes.IndexByte(payload, 0)
		if end < 1 {
			return 0, fmt.Errorf("record at byte %d: %w", at, errMalformed)
		}
		if name := payload[1:end]; string(name) != ns {
			ns = string(name)
		}
		doc := bsoncore.Document(payload[end+1:])
		err := validate(doc, -maxPathDepth)
		if err == nil {
			err = replay(payload[0], ns, doc)
		}
		if err != nil {
			return 0, fmt.Errorf("record at byte %d: %w", at, err)
		}
		at = next
	}
}

// payloadLength reads a record's header and reports whether it is one.
func payloadLength(header []byte) (int64, bool) {
	length := int64(binary.LittleEndian.Uint32(header))
	return length, binary.LittleEndian.Uint32(header[8:]) == crc32.Checksum(header[:8], castagnoli) && length <= maxRecord
}

// noRecordAfter tells a tail from damage. What is at at is no record. Where none
// follows anywhere it is what a full disk or a power failure leaves, and all
// that is whole was read; where one does, records between them are lost.
func noRecordAfter(f *os.File, at, size int64) error {
	r := bufio.NewReaderSize(io.NewSectionReader(f, at+1, size-at-1), 1<<20)
	for {
		header, err := r.Peek(recordHeader)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if _, ok := payloadLength(header); ok {
			return fmt.Errorf("damaged at byte %d of %d: %s", at, size, whatToDo)
		}
		_, _ = r.Discard(1) // it is there
	}
}
