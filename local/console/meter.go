package console

import (
	"math"
	"net/http"
	"time"

	"aiwm-chat/local/cost"
)

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
