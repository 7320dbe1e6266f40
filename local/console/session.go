package console

import (
	"log/slog"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/go-json-experiment/json"

	"aiwm-chat/local/cost"
	"aiwm-chat/local/faults"
	"aiwm-chat/local/logline"
)

func refuse(w http.ResponseWriter, status int, why string) {
	w.WriteHeader(status)
	_ = json.MarshalWrite(w, map[string]string{"message": why})
}

func answer(w http.ResponseWriter, r *http.Request, body any) {
	text, err := json.Marshal(body)
	if err != nil {
		slog.ErrorContext(r.Context(), "console", "path", r.URL.Path, "err", err)
		refuse(w, http.StatusInternalServerError, "it cannot be told; the log says why")
		return
	}
	_, _ = w.Write(text)
}

// session tells the page where the APIs are and who it is. Without tokens of ours it is
// told the addresses alone.
func session(o Options) http.Handler {
	type whole struct {
		RESTURL      string `json:"restUrl"`
		WebSocketURL string `json:"webSocketUrl"`
		Local        bool   `json:"local"`
		ExpiresAt    int64  `json:"expiresAt,omitzero"` // milliseconds, as in JavaScript
		*Tokens
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s := whole{RESTURL: "http://" + r.Host, WebSocketURL: "ws://" + r.Host + "/ws", Local: true}
		if o.Tokens != nil {
			t, err := o.Tokens()
			if err != nil {
				slog.ErrorContext(r.Context(), "console", "path", r.URL.Path, "err", err)
				refuse(w, http.StatusInternalServerError, "there is no token; the log says why")
				return
			}
			s.Tokens, s.ExpiresAt = &t, time.Now().Add(t.TTL).UnixMilli()
		}
		answer(w, r, s)
	})
}

// A charge is one line of the bill: so many pieces since the server started.
type charge struct {
	cost.Price
	Pieces float64 `json:"pieces"`
}

// A function is one of the Functions panel, times in milliseconds.
type function struct {
	Name        string  `json:"name"`
	Memory      int     `json:"memory"`
	Invocations int64   `json:"invocations"`
	Failed      int64   `json:"failed"`
	GBSeconds   float64 `json:"gbSeconds"`
	Median      float64 `json:"median"`
	P95         float64 `json:"p95"`
	Slowest     float64 `json:"slowest"`
}

// jobRequests are those of SQS that one job takes: it is sent, received and deleted.
const jobRequests = 3

// meter tells what was used since the start, and what each piece costs on AWS. The page
// takes the difference between two moments.
func meter(o Options) http.Handler {
	type whole struct {
		FramesIn   int64      `json:"framesIn"`
		FramesOut  int64      `json:"framesOut"`
		Databases  bool       `json:"databases"` // the four that follow are counted
		RedisTrips int64      `json:"redisTrips"`
		Redis      int64      `json:"redisCommands"`
		MongoTrips int64      `json:"mongoTrips"`
		Mongo      int64      `json:"mongoOperations"`
		Charges    []charge   `json:"charges"`
		Functions  []function `json:"functions"`
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		u := o.Usage()
		out := whole{
			FramesIn: u.FramesIn, FramesOut: u.FramesOut, Databases: u.Databases,
			RedisTrips: u.RedisRoundTrips, Redis: u.RedisCommands, MongoTrips: u.MongoRoundTrip, Mongo: u.MongoOperations,
			Functions: []function{},
		}
		var invocations, gbSeconds float64
		for _, f := range u.Functions {
			gb := f.Billed.Seconds() * float64(f.Memory) / 1024
			invocations += float64(f.Invocations)
			gbSeconds += gb
			out.Functions = append(out.Functions, function{
				f.Name, f.Memory, f.Invocations, f.Failed, gb, milliseconds(f.Median), milliseconds(f.P95), milliseconds(f.Slowest),
			})
		}
		pieces := []float64{float64(u.FramesIn + u.FramesOut), invocations, gbSeconds, float64(u.Requests), float64(u.Jobs * jobRequests), float64(u.RedisCommands)}
		for i, p := range cost.Prices("frame", "invocation", "gb-second", "http-request", "queue-request", "redis-command") {
			out.Charges = append(out.Charges, charge{p, pieces[i]})
		}
		answer(w, r, out)
	})
}

func milliseconds(d time.Duration) float64 { return math.Round(float64(d)/1e4) / 100 }

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

// tail tells the lines of the log after the n-th.
func tail(o Options) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		after, err := strconv.ParseInt(r.URL.Query().Get("after"), 10, 64)
		if err != nil {
			after = 0
		}
		answer(w, r, map[string][]logline.Line{"lines": o.Log.After(after)})
	})
}
