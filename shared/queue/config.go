package queue

import "aiwm-chat/shared/config"

// OptionsOf returns what the queue parts of a Config say.
func OptionsOf(c config.Config) Options {
	return Options{AWS: c.AWS, WelcomeURL: c.WelcomeQueueURL, SummaryURL: c.SummaryQueueURL}
}
