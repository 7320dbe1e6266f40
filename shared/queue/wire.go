package queue

import (
	"aiwm-chat/shared/config"
	"aiwm-chat/shared/wire"
)

// In returns the queues of a process that needs config.WelcomeQueue,
// config.SummaryQueue, config.StreamQueue, config.RunQueue or config.WebhookQueue.
func In(p *wire.Process) *Queue { return wire.Client(p, open) }

func open(c config.Config) (*Queue, error) {
	return New(Options{AWS: c.AWS, WelcomeURL: c.WelcomeQueueURL, SummaryURL: c.SummaryQueueURL, StreamURL: c.StreamQueueURL, RunURL: c.RunQueueURL, WebhookURL: c.WebhookQueueURL})
}
