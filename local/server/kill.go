package server

import (
	"time"

	"aiwm-chat/local/faults"
)

// kill returns the fault of a process that dies in the middle of its work, nil
// where no faults are wanted.
func (s *Server) kill() func(function string) (time.Duration, bool) {
	f := s.options.Faults
	if f == nil {
		return nil
	}
	return func(string) (time.Duration, bool) {
		return f.Delay(faults.Kill), f.Roll(faults.Kill)
	}
}
