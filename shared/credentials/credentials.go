// Package credentials gives the clients of AWS what Lambda puts into the
// environment of every function.
package credentials

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"

	"aiwm-chat/shared/config"
)

// Of returns the credentials of a Config as the SDK's clients want them. They
// are good for as long as the execution environment lives, so nothing refreshes
// them.
func Of(a config.AWS) aws.CredentialsProvider {
	return aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		return aws.Credentials{
			AccessKeyID: a.AccessKeyID, SecretAccessKey: a.SecretAccessKey, SessionToken: a.SessionToken, Source: "environment",
		}, nil
	})
}
