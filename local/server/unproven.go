package server

import (
	"cmp"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"aiwm-chat/local/aws/httpapi"
	"aiwm-chat/local/aws/wsapi"
)

// Unproven are the switches of the emulators for what AWS leaves open. Their
// zero values are what most evidence speaks for.
type Unproven struct {
	WebSocket wsapi.Unproven
	HTTP      httpapi.Unproven
}

// Set sets a switch by name, as a flag does: "MaxPost=32768", or "IgnorePings"
// for one that is on or off.
func (u *Unproven) Set(setting string) error {
	name, value, _ := strings.Cut(setting, "=")
	for _, group := range []any{&u.WebSocket, &u.HTTP} {
		field := reflect.ValueOf(group).Elem().FieldByName(name)
		if !field.IsValid() {
			continue
		}
		switch field.Kind() {
		case reflect.Bool:
			on, err := strconv.ParseBool(cmp.Or(value, "true"))
			field.SetBool(on)
			return err
		case reflect.Int:
			n, err := strconv.Atoi(value)
			field.SetInt(int64(n))
			return err
		default:
			field.SetString(value)
			return nil
		}
	}
	return fmt.Errorf("there is no switch %q; there are %s", name, strings.Join(u.Names(), ", "))
}

// String makes it a flag.Value.
func (u *Unproven) String() string { return "" }

// Names returns the names of all switches.
func (u *Unproven) Names() (names []string) {
	for _, t := range []reflect.Type{reflect.TypeFor[wsapi.Unproven](), reflect.TypeFor[httpapi.Unproven]()} {
		for i := range t.NumField() {
			names = append(names, t.Field(i).Name)
		}
	}
	slices.Sort(names)
	return names
}
