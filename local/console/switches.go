package console

import (
	"net/http"

	"github.com/go-json-experiment/json"

	"aiwm-chat/local/faults"
)

// A fault is a switch of the Faults panel.
type fault struct {
	Kind        faults.Kind `json:"kind"`
	Text        string      `json:"text"`
	Probability float64     `json:"probability"`
}

func showFaults(o Options) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		all := []fault{}
		for _, s := range o.Faults.Switches() {
			if s.Kind != faults.Kill || o.Exec {
				all = append(all, fault(s))
			}
		}
		answer(w, r, map[string]any{"faults": all, "happened": o.Faults.Happened()})
	})
}

// maxFaults is more than all switches take.
const maxFaults = 4 << 10

// setFaults takes an object of probabilities by kind; what it leaves out stays.
func setFaults(o Options) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var to map[faults.Kind]float64
		if err := json.UnmarshalRead(http.MaxBytesReader(w, r.Body, maxFaults), &to); err != nil {
			refuse(w, http.StatusBadRequest, `the body must be an object such as {"reorder": 0.1}`)
			return
		}
		if _, kill := to[faults.Kill]; kill && !o.Exec {
			refuse(w, http.StatusBadRequest, "kill is for -exec: it takes a process to kill one")
			return
		}
		if err := o.Faults.Set(to); err != nil {
			refuse(w, http.StatusBadRequest, err.Error())
			return
		}
		showFaults(o).ServeHTTP(w, r)
	})
}
