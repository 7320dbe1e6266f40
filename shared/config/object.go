package config

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// A member is a name of a JSON object and its value.
type member struct {
	name  string
	value json.RawMessage
}

// membersOf reads one JSON object, in its order. encoding/json, which is all that
// there is on this floor, takes the last of two members with one name.
func membersOf(text []byte) (members []member, err error) {
	if !json.Valid(text) {
		return nil, errors.New("must be valid JSON")
	}
	d := json.NewDecoder(strings.NewReader(string(text)))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil, errors.New("must be a JSON object")
	}
	for d.More() {
		var m member
		name, err := d.Token()
		if err != nil {
			return nil, errors.New("must be valid JSON")
		}
		m.name, _ = name.(string)
		if err := d.Decode(&m.value); err != nil {
			return nil, errors.New("must be valid JSON")
		}
		if slices.ContainsFunc(members, func(earlier member) bool { return earlier.name == m.name }) {
			return nil, fmt.Errorf("must not have %.40q twice", m.name)
		}
		members = append(members, m)
	}
	if _, err := d.Token(); err != nil && err != io.EOF {
		return nil, errors.New("must be valid JSON")
	}
	return members, nil
}

// textOf returns the string that a value is.
func textOf(value json.RawMessage) (s string, ok bool) {
	if len(value) == 0 || value[0] != '"' {
		return "", false
	}
	return s, json.Unmarshal(value, &s) == nil
}
