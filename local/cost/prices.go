package cost

import (
	_ "embed"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/go-json-experiment/json"
)

// A table is what everything costs, from when and by whom.
type table struct {
	Region   string  `json:"region"`
	Currency string  `json:"currency"`
	Prices   []price `json:"prices"`

	byName map[string]price
}

// A price is of per pieces a month, of which the first are free.
type price struct {
	Name       string  `json:"name"`
	Per        float64 `json:"per"`
	Free       float64 `json:"free"`
	Price      float64 `json:"price"`
	What       string  `json:"what"`
	Source     string  `json:"source"`
	Read       string  `json:"read"`       // the day on which the source said so
	Unverified bool    `json:"unverified"` // nobody who sells it was found to say so
}

//go:embed prices.json
var embedded []byte

// parsePrices reads a table. It has a price for everything that is computed, and
// nothing else: a name that is written wrong would be a price that does not count.
func parsePrices(b []byte) (table, error) {
	var t table
	if err := json.Unmarshal(b, &t, json.RejectUnknownMembers(true)); err != nil {
		return t, err
	}
	t.byName = map[string]price{}
	var faults []error
	for _, p := range t.Prices {
		_, twice := t.byName[p.Name]
		switch {
		case !slices.Contains(names, p.Name):
			faults = append(faults, fmt.Errorf("price %q is of nothing that is computed", p.Name))
		case twice:
			faults = append(faults, fmt.Errorf("price %q is there twice", p.Name))
		case !(p.Price >= 0 && p.Free >= 0 && p.Per > 0):
			faults = append(faults, fmt.Errorf("price %q must not be negative, and of more than nothing", p.Name))
		case !p.Unverified && (p.Source == "" || p.Read == ""):
			faults = append(faults, fmt.Errorf("price %q has no source and day, and does not say that it is unverified", p.Name))
		}
		t.byName[p.Name] = p
	}
	for _, name := range names {
		if _, ok := t.byName[name]; !ok {
			faults = append(faults, fmt.Errorf("price %q is missing", name))
		}
	}
	return t, errors.Join(faults...)
}

// names are the prices that are asked for.
var names = []string{
	"frame", "connection-minute", "http-request", "invocation", "gb-second", "queue-request", "log-gb", "transfer-gb",
	"redis-command", "redis-node-hour", "mongo-flex-100", "mongo-flex-200", "mongo-flex-300", "mongo-flex-400", "mongo-flex-500",
	"mongo-small-hour", "mongo-dedicated-hour", "nat-hour", "nat-gb", "model-read", "model-written", "server-hour", "balancer-hour",
}

// of returns what n pieces cost.
func (t table) of(name string, n float64) line {
	p := t.byName[name]
	return line{price: p, pieces: n, cost: max(n-p.Free, 0) / p.Per * p.Price}
}

// A line is one of a bill.
type line struct {
	price
	pieces, cost float64
}

// Invocations returns what so many invocations of a function cost that take so many
// milliseconds, of which begun ones count, with so many MB.
func Invocations(n, ms, memory float64) float64 {
	t, err := parsePrices(embedded)
	if err != nil {
		panic(err) // it is a part of the program, and tested
	}
	return t.of("invocation", n).cost + t.of("gb-second", n*math.Ceil(ms)/1000*memory/1024).cost
}
