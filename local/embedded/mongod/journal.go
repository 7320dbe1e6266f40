package mongod

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"

	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"
)

// The journal is one file of records after a magic line:
//
//	length uint32 · crc of the payload · crc of those eight bytes · payload
//	payload: kind byte · namespace · 0x00 · one BSON document
//
// with little-endian integers and Castagnoli checksums. The header has its own
// checksum so that a length that was damaged cannot pass for a torn tail.
const (
	journalMagic  = "aiwm-chat local/mongod journal 2\n"
	recordHeader  = 12
	maxRecord     = maxDocument + 4096
	keptBuffer    = 1 << 20 // a larger buffer, here and of a connection, is given back
	compactBeyond = 4 << 20 // a smaller journal is not worth compacting
)

// What a record does; its document is the new document, {_id}, the index
// specification, {name}, or empty.
const (
	opPut         byte = 'p'
	opDelete      byte = 'd'
	opDrop        byte = 'x'
	opCreateIndex byte = 'i'
	opDropIndex   byte = 'j'
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// A journal makes writes durable against the death of the process. append
// takes a record, in the order of the changes in memory; sync returns when all
// of them are in the file. A nil journal, of a server without directory, does
// nothing.
type journal struct {
	file *os.File

	mu       sync.Mutex // pending and failed
	pending  []byte
	failed   error
	appended atomic.Int64 // bytes ever appended
	written  atomic.Int64 // bytes of them in the file

	writing sync.Mutex // held during write(2): whoever waits finds its bytes written
	spare   []byte
}

// append adds a record to what the next sync writes.
func (j *journal) append(kind byte, ns string, doc bsoncore.Document) {
	if j == nil {
		return
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.failed != nil {
		return // nobody will write it: sync fails from now on
	}
	before := len(j.pending)
	j.pending = appendRecord(j.pending, kind, ns, doc)
	j.appended.Add(int64(len(j.pending) - before))
}

func appendRecord(dst []byte, kind byte, ns string, doc bsoncore.Document) []byte {
	var header [recordHeader]byte
	start := len(dst)
	dst = append(append(dst, header[:]...), kind)
	dst = append(append(dst, ns...), 0)
	dst = append(dst, doc...)
	payload := dst[start+recordHeader:]
	h := dst[start : start+recordHeader]
	binary.LittleEndian.PutUint32(h, uint32(len(payload)))
	binary.LittleEndian.PutUint32(h[4:], crc32.Checksum(payload, castagnoli))
	binary.LittleEndian.PutUint32(h[8:], crc32.Checksum(h[:8], castagnoli))
	return dst
}

// sync writes what was appended before the call. Concurrent calls share one
// write(2): the first takes everybody's records, the others wait for it. After
// a failed write every call fails, because memory is ahead of the file.
func (j *journal) sync() error {
	if j == nil {
		return nil
	}
	upTo := j.appended.Load()
	if j.written.Load() >= upTo {
		return nil
	}
	j.writing.Lock()
	defer j.writing.Unlock()
	if j.written.Load() >= upTo {
		return nil
	}
	j.mu.Lock()
	batch, err := j.pending, j.failed
	j.pending = j.spare[:0]
	j.mu.Unlock()
	if err != nil {
		return err
	}
	if _, err := j.file.Write(batch); err != nil {
		j.mu.Lock()
		defer j.mu.Unlock()
		j.failed, j.pending = fmt.Errorf("write the journal: %w", err), nil
		return j.failed
	}
	j.written.Add(int64(len(batch)))
	if j.spare = batch; cap(batch) > keptBuffer {
		j.spare = nil
	}
	return nil
}

func (j *journal) close() error {
	if j == nil {
		return nil
	}
	return errors.Join(j.sync(), j.file.Close())
}

// rewriteJournal replaces the journal by one that holds only what write gives.
func rewriteJournal(dir string, write func(put func(kind byte, ns string, doc bsoncore.Document))) (*journal, error) {
	name := filepath.Join(dir, "journal")
	f, err := os.OpenFile(name+".new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, fmt.Errorf("compact the journal: %w", err)
	}
	w := bufio.NewWriterSize(f, 1<<20) // keeps its first error for Flush
	_, _ = w.WriteString(journalMagic)
	var record []byte
	write(func(kind byte, ns string, doc bsoncore.Document) {
		record = appendRecord(record[:0], kind, ns, doc)
		_, _ = w.Write(record)
	})
	if err = errors.Join(w.Flush(), f.Sync()); err == nil {
		err = os.Rename(name+".new", name)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("compact the journal: %w", err), f.Close())
	}
	return &journal{file: f}, nil
}
