package template

import "slices"

// queue reads an AWS::SQS::Queue. Its defaults and limits are those of SQS.
func (p *parser) queue(r resource) {
	q := Queue{
		LogicalID:         r.id,
		Name:              p.text(r.properties, "QueueName", r.id),
		VisibilityTimeout: p.seconds(r.properties, "VisibilityTimeout", 30, 0, 43200),
		Retention:         p.seconds(r.properties, "MessageRetentionPeriod", 345600, 60, 1209600),
		Delay:             p.seconds(r.properties, "DelaySeconds", 0, 0, 900),
	}
	if policy := p.mapping(r.properties, "RedrivePolicy"); policy != nil {
		q.Redrive = &Redrive{MaxReceiveCount: p.number(policy, "maxReceiveCount", 10, 1, 1000)}
		target := p.property(policy, "deadLetterTargetArn")
		if target == nil {
			p.fail(policy, "the redrive policy names no deadLetterTargetArn")
		} else {
			q.Redrive.DeadLetterQueue, _ = p.reference(target, "AWS::SQS::Queue", "Arn")
		}
	}
	p.t.Queues = append(p.t.Queues, q)
}

// queueEvent reads a function's event of type SQS. Its limits are those of
// Lambda's event source mapping, which refuses a queue that would show a
// message again before the function's timeout.
func (p *parser) queueEvent(f Function, e entry) {
	properties := p.mapping(e.value, "Properties")
	n := p.property(properties, "Queue")
	if n == nil {
		p.fail(e.at, "the event %s names no Queue", e.key)
		return
	}
	id, ok := p.reference(n, "AWS::SQS::Queue", "Arn")
	if !ok || !p.flag(properties, "Enabled", true) {
		return
	}
	i := slices.IndexFunc(p.t.Queues, func(q Queue) bool { return q.LogicalID == id })
	queue := p.t.Queues[i]
	s := QueueSource{
		Function:           f.LogicalID,
		Queue:              id,
		BatchSize:          p.number(properties, "BatchSize", 10, 1, 10000),
		Window:             p.seconds(properties, "MaximumBatchingWindowInSeconds", 0, 0, 300),
		MaximumConcurrency: p.number(p.mapping(properties, "ScalingConfig"), "MaximumConcurrency", 0, 2, 1000),
	}
	s.ReportBatchItemFailures = slices.Contains(p.texts(properties, "FunctionResponseTypes"), "ReportBatchItemFailures")
	if s.BatchSize > 10 && s.Window == 0 {
		p.fail(e.at, "a BatchSize over 10 takes a MaximumBatchingWindowInSeconds")
	}
	if queue.VisibilityTimeout < f.Timeout {
		p.fail(e.at, "the visibility timeout of %s (%s) is less than the function's timeout (%s)",
			id, queue.VisibilityTimeout, f.Timeout)
	}
	p.t.QueueSources = append(p.t.QueueSources, s)
}
