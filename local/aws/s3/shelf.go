package s3

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// An object is what is known of one. It is replaced, never written into.
type object struct {
	Key, Type, ETag string
	Tags            map[string]string
	At              time.Time
	Size            int64

	bytes []byte // in memory
}

// A shelf has the objects of a bucket: in memory, or each in two files, one of its bytes and
// then one of what is known of it, named by a hash of its key: no key is a path.
type shelf struct {
	dir string

	mu      sync.Mutex
	objects map[string]*object
}

const (
	known = ".json"
	data  = ".data"
)

func open(dir string) (*shelf, error) {
	s := &shelf{dir: dir, objects: map[string]*object{}}
	if dir == "" {
		return s, nil
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("open a bucket: %w", err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "*"+known))
	if err != nil {
		return nil, fmt.Errorf("open a bucket: %w", err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		var o object
		if err == nil {
			err = json.Unmarshal(text, &o)
		}
		if err != nil {
			return nil, fmt.Errorf("open a bucket: %s: %w", file, err)
		}
		s.objects[o.Key] = &o
	}
	return s, nil
}

func (s *shelf) file(key, kind string) string {
	sum := sha256.Sum256([]byte(key))
	return filepath.Join(s.dir, hex.EncodeToString(sum[:])+kind)
}

func (s *shelf) find(key string) *object {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.objects[key]
}

// put keeps an object if allow has nothing against it, beside the one that is there.
func (s *shelf) put(o object, body []byte, allow func(old *object) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := allow(s.objects[o.Key]); err != nil {
		return err
	}
	if s.dir == "" {
		o.bytes = body
	} else if err := errors.Join(write(s.file(o.Key, data), body), s.note(&o)); err != nil {
		return err
	}
	s.objects[o.Key] = &o
	return nil
}

// change replaces what is known of an object that is there.
func (s *shelf) change(key string, do func(*object)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	old := s.objects[key]
	if old == nil {
		return errNoKey
	}
	o := *old
	o.Tags = maps.Clone(old.Tags)
	do(&o)
	if err := s.note(&o); err != nil {
		return err
	}
	s.objects[key] = &o
	return nil
}

func (s *shelf) note(o *object) error {
	if s.dir == "" {
		return nil
	}
	text, err := json.Marshal(o)
	if err != nil {
		return err
	}
	return write(s.file(o.Key, known), text)
}

func (s *shelf) delete(key string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.objects, key)
	if s.dir == "" {
		return nil
	}
	for _, kind := range []string{known, data} {
		if err := os.Remove(s.file(key, kind)); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	return nil
}

// body opens the bytes of an object; another one may have taken its place, which has its key.
func (s *shelf) body(o *object) (io.ReadSeekCloser, error) {
	if s.dir == "" {
		return inMemory{bytes.NewReader(o.bytes)}, nil
	}
	f, err := os.Open(s.file(o.Key, data))
	if errors.Is(err, os.ErrNotExist) {
		return nil, errNoKey
	}
	return f, err
}

type inMemory struct{ *bytes.Reader }

func (inMemory) Close() error { return nil }

// write replaces a file whole, or not at all.
func write(file string, b []byte) error {
	f, err := os.CreateTemp(filepath.Dir(file), strings.TrimSuffix(filepath.Base(file), filepath.Ext(file))+".*.tmp")
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), file)
	}
	if err != nil {
		_ = os.Remove(f.Name())
	}
	return err
}
