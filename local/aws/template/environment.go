package template

import (
	"fmt"
	"strings"

	"aiwm-chat/local/aws/account"
)

// A Resolver supplies what only the place of deployment knows. Its zero value
// knows the pseudo parameters only.
type Resolver struct {
	// Values are what resources stand for: "WelcomeQueue" for a Ref,
	// "WelcomeQueue.Arn" for a GetAtt. A pseudo parameter ("AWS::Region") may
	// be given too and otherwise has the value of package account.
	Values map[string]string
	// Variables replace environment variables whole, whatever the template
	// says, in the functions that have them.
	Variables map[string]string
}

// Environment is the environment of a function as the template declares it.
// Variables whose value is empty are left out, and so are dynamic references
// ("{{resolve:secretsmanager:...}}"), which only CloudFormation can read. A
// resource without a value in r is an error.
func (t *Template) Environment(function string, r Resolver) (map[string]string, error) {
	variables, ok := t.variables[function]
	if !ok {
		return nil, fmt.Errorf("environment of %s: no such function", function)
	}
	env := map[string]string{}
	for _, v := range variables {
		value, overridden := r.Variables[v.key]
		if !overridden {
			var err error
			if value, err = t.eval.text(v.value, r.find); err != nil {
				return nil, fmt.Errorf("environment of %s: %s: %w", function, v.key, err)
			}
		}
		if value != "" && !strings.Contains(value, "{{resolve:") {
			env[v.key] = value
		}
	}
	return env, nil
}

// Variables are the names of the environment variables a function has, whether
// or not they have a value.
func (t *Template) Variables(function string) []string {
	var names []string
	for _, v := range t.variables[function] {
		names = append(names, v.key)
	}
	return names
}

func (r Resolver) find(name string) (string, error) {
	if v, ok := r.Values[name]; ok {
		return v, nil
	}
	return pseudo(name)
}

// pseudo knows CloudFormation's pseudo parameters and nothing else.
func pseudo(name string) (string, error) {
	switch name {
	case "AWS::Region":
		return account.Region, nil
	case "AWS::AccountId":
		return account.ID, nil
	case "AWS::Partition":
		return "aws", nil
	case "AWS::URLSuffix":
		return "amazonaws.com", nil
	case "AWS::StackName":
		return "local", nil
	case "AWS::StackId":
		return "arn:aws:cloudformation:" + account.Region + ":" + account.ID + ":stack/local/0", nil
	}
	return "", fmt.Errorf("there is no value for %s", name)
}
