package server

import (
	"time"

	"aiwm-chat/local/faults"
)

// shorter brings the longest delay of a fault, 200 ms, down to the few
// milliseconds that an invocation takes: later there is nothing left to kill.
const shorter = 20

// kill returns the fault of a process that dies in the middle of its work, nil
// where no faults are wanted. What a deployment runs is spared: without it nothing
// starts, and Lambda would have tried it twice more.
func (s *Server) kill() func(function string) (time.Duration, bool) {
	f := s.options.Faults
	if f == nil {
		return nil
	}
	deploys := map[string]bool{}
	for _, r := range s.template.CustomResources {
		deploys[r.Function] = true
	}
	return func(function string) (time.Duration, bool) {
		if deploys[function] {
			return 0, false
		}
		after := f.Delay(faults.Kill)
		return after / shorter, after > 0
	}
}
