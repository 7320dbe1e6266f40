package template

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// allowed says what CloudFormation says of a parameter that is given a value
// which the template does not allow.
func allowed(d entry, value string) error {
	text := func(key string) string {
		if n := member(d.value, key); n != nil {
			return n.Value
		}
		return ""
	}
	if isAllowed(d.value, value, text) {
		return nil
	}
	if why := text("ConstraintDescription"); why != "" {
		return fmt.Errorf("parameter %s %s", d.key, why)
	}
	return fmt.Errorf("parameter %s has a value that the template does not allow", d.key)
}

func isAllowed(declared *yaml.Node, value string, text func(key string) string) bool {
	if values := member(declared, "AllowedValues"); values != nil {
		found := false
		for _, v := range values.Content {
			found = found || v.Value == value
		}
		return found
	}
	values := []string{value}
	switch text("Type") {
	case "CommaDelimitedList": // each of them
		values = listOf(value)
	case "Number":
		n, err := strconv.ParseFloat(value, 64)
		if err != nil {
			return false
		}
		least, err := strconv.ParseFloat(text("MinValue"), 64)
		if err == nil && n < least {
			return false
		}
		most, err := strconv.ParseFloat(text("MaxValue"), 64)
		if err == nil && n > most {
			return false
		}
	}
	if text("AllowedPattern") == "" {
		return true
	}
	// It has to match all of the value.
	pattern, err := regexp.Compile(`^(?:` + text("AllowedPattern") + `)$`)
	if err != nil {
		return true // of another kind than Go's: CloudFormation knows
	}
	for _, v := range values {
		if !pattern.MatchString(v) {
			return false
		}
	}
	return true
}

// listOf is what CloudFormation makes of a comma-delimited list.
func listOf(value string) []string {
	items := strings.Split(value, ",")
	for i := range items {
		items[i] = strings.TrimSpace(items[i])
	}
	return items
}
