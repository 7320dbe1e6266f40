// Package soak lets a crowd of clients talk while everything around the
// functions fails, and then has the checker look for what was lost, doubled,
// shown to the wrong ones, or never shown. The same seed brings the same
// troubles at the same times; what they meet is left to the scheduler.
package soak

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"aiwm-chat/local/checker"
	"aiwm-chat/local/client"
	"aiwm-chat/local/command"
	"aiwm-chat/local/faults"
	"aiwm-chat/local/server"
	"aiwm-chat/shared/chat"
)

// Options say how long and how hard.
type Options struct {
	Template      string
	Exec          string
	Duration      time.Duration
	Seed          uint64
	Conversations int
	Streams       int     // that a device of an agent writes at the same time
	Kill          float64 // the probability that a function dies; with Exec only
	Passive       bool    // clients ask for nothing that is missing, and Redis keeps what it has: the server alone has to deliver
	Light         bool    // only clients misbehave, and what surrounds the functions; for a short run
}

// timeScale has sweeps come every three seconds. What the functions themselves
// wait for is not scaled: a message is taken up by sweep after 20 seconds, and
// again after 30.
const timeScale = 20

// delayScale has the jobs of streams come when they find something: what is left of a
// lease of 30 seconds is looked at after 15 at most, and a start that is slow is not
// dropped by the job that looks after it.
const delayScale = 2

// patience is what clients have. Those who ask have what is missing with the
// next ping, but for the times in which a database is away; the others have to
// wait for sweeps. A stream whose job was lost is found by sweep after a minute.
func (o Options) patience() (b checker.Bounds, settle time.Duration) {
	b = checker.Bounds{Delivery: 40 * time.Second, Presence: 30 * time.Second, Open: 75 * time.Second, Stop: 27 * time.Second}
	if o.Passive {
		b.Delivery = 2 * time.Minute
	}
	return b, b.Delivery + 50*time.Second
}

type soak struct {
	Options
	out       io.Writer
	server    *server.Server
	databases *databases
	faults    *faults.Faults
	record    *checker.Recorder
	devices   []*device
	leavers   []*device
	talks     []*talk
	begun     time.Time
	serial    atomic.Int64
	troubled  atomic.Int64
	ended     ends         // streams, by the last look
	removed   sync.Map     // who is removed, a checker.Member
	latest    atomic.Value // the name of a trouble

	mu    sync.Mutex
	noted map[string]int // errors that clients met, by what they did
}

var kinds = map[faults.Kind]float64{
	faults.Reorder: 0.1, faults.Duplicate: 0.1, faults.DropDisconnect: 0.1, faults.Throttle: 0.05, faults.PostError: 0.05, faults.Latency: 0.02,
}

// light are those after which nothing has to wait for a sweep, or for ten
// seconds until a post to nobody counts.
var light = map[faults.Kind]float64{faults.Reorder: 0.1, faults.Duplicate: 0.1, faults.Latency: 0.02}

// Run soaks a server of its own. The error says so when a promise was broken.
func Run(ctx context.Context, o Options, out io.Writer) (err error) {
	s := &soak{Options: o, out: out, record: checker.NewRecorder(), noted: map[string]int{}, begun: time.Now()}
	s.latest.Store("none")
	probabilities := map[faults.Kind]float64{faults.Kill: o.Kill}
	for kind, p := range kinds {
		if _, ok := light[kind]; ok || !o.Light {
			probabilities[kind] = p
		}
	}
	if s.faults, err = faults.New(o.Seed, probabilities); err != nil {
		return err
	}
	if s.databases, err = openDatabases(o.Seed); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.databases.close()) }()
	so := server.Options{
		Template: o.Template, Exec: o.Exec, TimeScale: timeScale, DelayScale: delayScale, Faults: s.faults, Getenv: command.Unlimited(s.databases.getenv),
	}
	s.say("soak for %v with -seed %d: %v", o.Duration, o.Seed, s.faults)
	var report checker.Report
	err = server.With(ctx, so, func(server *server.Server) (err error) {
		s.server = server
		report, err = s.run(ctx)
		return err
	})
	if err != nil {
		return err
	}
	s.say("%s%s", report.Details(), s.met())
	attempts, acknowledged := s.record.Acknowledged()
	streams := s.record.Streams()
	asked, changed := s.record.Changes()
	s.say("seed %d: %d attempts, %d acknowledged, %d faults, %d troubles in %v\n%d streams: %d sent, %d cancelled, %d failed, %d without a message\n%d reactions, edits and marks, %d of them answered\n%v", o.Seed, attempts, acknowledged, s.happened(),
		s.troubled.Load(), time.Since(s.begun).Round(time.Second),
		streams, s.ended[chat.StatusSent], s.ended[chat.StatusCancelled], s.ended[chat.StatusFailed], streams-s.ended.all(), asked, changed, report)
	if !report.OK() {
		return fmt.Errorf("a promise was broken; again: soak -seed %d", o.Seed)
	}
	return nil
}

// run is the time of trouble, the way to rest, and the verdict.
func (s *soak) run(ctx context.Context) (checker.Report, error) {
	if err := s.gather(ctx); err != nil {
		return checker.Report{}, err
	}
	living, die := context.WithCancel(ctx)
	talking, hush := context.WithCancel(ctx)
	var writers sync.WaitGroup
	for _, d := range s.devices {
		of, stop := context.WithCancel(living)
		d.stop = stop
		d.wg.Go(func() { d.run(of) })
		writing := talking
		if slices.Contains(s.leavers, d) {
			writing = of
		}
		writers.Go(func() { d.write(writing, of) })
		writers.Go(func() { d.annotate(writing, of) })
		if d.principal.Type == chat.Agent {
			for range s.Streams {
				writers.Go(func() { d.answers(writing, of) })
			}
		}
	}
	defer func() {
		hush()
		die()
		writers.Wait()
		for _, d := range s.devices {
			d.leave()
			d.rest.Close()
		}
	}()
	reporting, quiet := context.WithCancel(ctx)
	var reporter sync.WaitGroup
	reporter.Go(func() { s.progress(reporting) })
	defer func() { quiet(); reporter.Wait() }()

	trouble, calm := context.WithTimeout(ctx, s.Duration)
	defer calm()
	leaving := time.AfterFunc(s.Duration*3/4, func() {
		for _, d := range s.leavers {
			d.stop()
		}
	})
	defer leaving.Stop()
	s.brew(trouble, ctx)
	s.faults.Stop()
	s.databases.heal()
	hush()
	writers.Wait()
	for _, d := range s.leavers {
		d.leave()
	}
	quiet()
	return s.settle(ctx)
}

// settle looks until nothing is wrong any more, as if all bounds were over, or
// they are.
func (s *soak) settle(ctx context.Context) (r checker.Report, err error) {
	start, said := time.Now(), s.Light
	bounds, settleTime := s.patience()
	waited := ""
	for {
		pause(ctx, time.Second)
		if ctx.Err() != nil {
			return r, ctx.Err()
		}
		f, err := s.final(ctx)
		if err != nil {
			return r, err
		}
		f.At = f.At.Add(bounds.Delivery + bounds.Presence + bounds.Open)
		r = checker.Check(s.record.History(), f, bounds)
		since := time.Since(start)
		if first, _, _ := strings.Cut(r.Details(), "\n"); first != "" {
			waited = first
		}
		if said && r.OK() || since > settleTime {
			s.say("settled in %v; until then %s", since.Round(time.Second), cmp.Or(waited, "nothing"))
			return r, nil
		}
		// A connection whose $disconnect was lost is found by a post, which
		// counts when it had been registered for ten seconds. Nothing is said
		// elsewhere: it would heal what a promise has to heal.
		if !said && since > 12*time.Second {
			said = true
			for _, t := range s.talks {
				if slices.ContainsFunc(s.leavers, func(d *device) bool { return slices.Contains(t.members, d) }) {
					t.members[0].say(ctx, t.id)
				}
			}
		}
	}
}

func (s *soak) progress(ctx context.Context) {
	ticker := time.NewTicker(5 * time.Second)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			attempts, acknowledged := s.record.Acknowledged()
			s.say("%5.0fs  %6d attempts  %6d acknowledged  %5d streams  %6d faults  %4d troubles, the last: %v",
				time.Since(s.begun).Seconds(), attempts, acknowledged, s.record.Streams(), s.happened(), s.troubled.Load(), s.latest.Load())
		case <-ctx.Done():
			return
		}
	}
}

func (s *soak) happened() int64 {
	return s.faults.Happened() + s.databases.mongo.Happened() + s.databases.mongoProxy.Happened() + s.databases.redisProxy.Happened()
}

func (s *soak) say(format string, args ...any) {
	if text := strings.TrimRight(fmt.Sprintf(format, args...), "\n"); text != "" {
		fmt.Fprintln(s.out, text) //nolint:errcheck // a report that nobody reads
	}
}

// note counts an error that a client met.
func (s *soak) note(what string, err error) {
	why := "no answer"
	if e, ok := errors.AsType[*client.Error](err); ok {
		if why = string(e.Code); why == "" {
			why = fmt.Sprintf("%d %s", e.Status, e.Message)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.noted[what+": "+why]++
}

// met lists the errors that clients met.
func (s *soak) met() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var lines []string
	for what, n := range s.noted {
		lines = append(lines, fmt.Sprintf("clients met %s, %d times", what, n))
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// persist repeats what may be repeated, for a minute.
func (s *soak) persist(ctx context.Context, what string, do func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		err := do(ctx)
		if err == nil || refusal(err) != "" || ctx.Err() != nil {
			if err != nil {
				s.note(what, err)
			}
			return err
		}
		s.note(what, err)
		pause(ctx, 200*time.Millisecond)
	}
}
