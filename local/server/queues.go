package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"time"

	"aiwm-chat/local/aws/lambda"
	"aiwm-chat/local/aws/schedule"
	"aiwm-chat/local/aws/sqs"
	"aiwm-chat/local/aws/template"
)

// queues are the template's queues, on a port of their own as SQS is a service
// of its own.
type queues struct {
	sqs      *sqs.Server
	listener net.Listener
	http     *http.Server
	served   chan error
}

func newQueues(t *template.Template, o Options) (*queues, error) {
	names := map[string]string{}
	for _, q := range t.Queues {
		names[q.LogicalID] = q.Name
	}
	declared := make([]sqs.Queue, 0, len(t.Queues))
	for _, q := range t.Queues {
		d := sqs.Queue{Name: q.Name, VisibilityTimeout: q.VisibilityTimeout, Delay: q.Delay, Retention: q.Retention}
		if r := q.Redrive; r != nil {
			d.DeadLetterQueue, d.MaxReceiveCount = names[r.DeadLetterQueue], r.MaxReceiveCount
		}
		declared = append(declared, d)
	}
	dir := o.Dir
	if dir != "" {
		dir = filepath.Join(dir, "sqs")
	}
	service, err := sqs.New(sqs.Options{TimeScale: o.TimeScale, DelayScale: o.DelayScale, Dir: dir, Logger: o.Logger}, declared...)
	if err != nil {
		return nil, fmt.Errorf("the template's queues: %w", err)
	}
	q := &queues{sqs: service, served: make(chan error, 1)}
	if q.listener, err = net.Listen("tcp", o.anyPort()); err != nil {
		return nil, errors.Join(fmt.Errorf("listen for SQS: %w", err), service.Close())
	}
	q.http = &http.Server{
		Handler: service, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: time.Minute, // of which a receive may wait 20 s
		ErrorLog: slog.NewLogLogger(o.Logger.Handler(), slog.LevelDebug),
	}
	go func() { q.served <- q.http.Serve(q.listener) }()
	return q, nil
}

func (q *queues) addr() string { return q.listener.Addr().String() }

// values are what the template's references to queues stand for, to functions
// that find the queues at addr.
func (q *queues) values(t *template.Template, addr string) map[string]string {
	values := map[string]string{}
	for _, d := range t.Queues {
		values[d.LogicalID] = sqs.URL(addr, d.Name)
		values[d.LogicalID+".Arn"] = sqs.ARN(d.Name)
		values[d.LogicalID+".QueueName"] = d.Name
	}
	return values
}

// consume starts the event sources between the queues and their functions.
func (q *queues) consume(t *template.Template, functions lambda.Invoker) error {
	names := map[string]string{}
	for _, d := range t.Queues {
		names[d.LogicalID] = d.Name
	}
	for _, s := range t.QueueSources {
		err := q.sqs.Map(sqs.Mapping{
			Queue: names[s.Queue], Function: s.Function, BatchSize: s.BatchSize, Window: s.Window,
			ReportBatchItemFailures: s.ReportBatchItemFailures, MaximumConcurrency: s.MaximumConcurrency,
		}, functions)
		if err != nil {
			return fmt.Errorf("the event source of %s: %w", s.Function, err)
		}
	}
	return nil
}

// close ends the deliveries first, for they may still enqueue.
func (q *queues) close(ctx context.Context) error {
	errs := []error{q.sqs.Shutdown(ctx), q.http.Shutdown(ctx)}
	if err := <-q.served; !errors.Is(err, http.ErrServerClosed) {
		errs = append(errs, err)
	}
	return errors.Join(append(errs, q.sqs.Close())...)
}

func startSchedules(t *template.Template, functions lambda.Invoker, o Options) (*schedule.Scheduler, error) {
	rules := make([]schedule.Rule, 0, len(t.Schedules))
	for _, r := range t.Schedules {
		rules = append(rules, schedule.Rule{Name: r.Name, Function: r.Function, Every: r.Every, Input: r.Input})
	}
	return schedule.Start(functions, schedule.Options{TimeScale: o.TimeScale, Logger: o.Logger}, rules...)
}
