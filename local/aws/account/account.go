// Package account is the AWS account that the emulators play: one that nobody
// owns. What they emulate shows these values in ARNs, URLs and events.
package account

const (
	// ID is the account's id.
	ID = "123456789012"
	// Region is where everything is.
	Region = "us-east-1"
)
