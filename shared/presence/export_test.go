package presence

import "time"

// SilentFor is how long Redis is not asked by what goes on without it.
func (s *Store) SilentFor() time.Duration { return time.Until(time.Unix(0, s.silentUntil.Load())) }

// EndSilence ends that.
func (s *Store) EndSilence() { s.silentUntil.Store(0) }

// ParsesEntry reports whether an entry can be read.
func ParsesEntry(id, text string) bool { _, ok := parseEntry(id, text); return ok }
