package template

import (
	"strconv"
	"strings"
	"time"
)

// function reads an AWS::Serverless::Function with its events. Its defaults and
// limits are those of Lambda.
func (p *parser) function(r resource) {
	f := Function{
		LogicalID:    r.id,
		CodeURI:      p.text(r.properties, "CodeUri", ""),
		Handler:      p.text(r.properties, "Handler", ""),
		Runtime:      p.text(r.properties, "Runtime", ""),
		Architecture: "x86_64",
		Timeout:      p.seconds(r.properties, "Timeout", 3, 1, 900),
		MemorySize:   p.number(r.properties, "MemorySize", 128, 128, 10240),
	}
	switch a := p.texts(r.properties, "Architectures"); len(a) {
	case 0:
	case 1:
		f.Architecture = a[0]
	default: // an own list adds to the global one
		p.fail(r.at, "the function has %d architectures", len(a))
	}
	if f.CodeURI == "" {
		p.fail(r.at, "the function has no CodeUri")
	}
	p.t.Functions = append(p.t.Functions, f)

	variables := []entry{}
	for v := range entries(p.mapping(p.mapping(r.properties, "Environment"), "Variables")) {
		// A first evaluation finds faults now, when the values of resources are
		// not yet known.
		if _, err := p.eval.text(v.value, structural); err != nil {
			p.add(err)
		}
		variables = append(variables, v)
	}
	p.t.variables[r.id] = variables

	for e := range entries(p.mapping(r.properties, "Events")) {
		switch kind := p.text(e.value, "Type", ""); kind {
		case "HttpApi":
			p.httpEvent(f, e)
		case "SQS":
			p.queueEvent(f, e)
		case "Schedule":
			p.scheduleEvent(f, e, "Schedule")
		case "ScheduleV2":
			p.scheduleEvent(f, e, "ScheduleExpression")
		default:
			p.fail(e.at, "the event %s is of type %q, which is not emulated", e.key, kind)
		}
	}
}

// scheduleEvent reads a function's event of type Schedule or ScheduleV2.
func (p *parser) scheduleEvent(f Function, e entry, expression string) {
	properties := p.mapping(e.value, "Properties")
	s := Schedule{Name: e.key, Function: f.LogicalID, Input: p.text(properties, "Input", "")}
	text := p.text(properties, expression, "")
	var ok bool
	if s.Every, ok = parseRate(text); !ok {
		p.fail(e.at, `the schedule %q is not of the form "rate(5 minutes)", the only one emulated`, text)
		return
	}
	if p.flag(properties, "Enabled", true) && p.text(properties, "State", "ENABLED") == "ENABLED" {
		p.t.Schedules = append(p.t.Schedules, s)
	}
}

// parseRate reads EventBridge's rate(value unit): a positive whole number, and
// the unit in the singular for 1 only.
func parseRate(s string) (time.Duration, bool) {
	inner, isRate := strings.CutPrefix(s, "rate(")
	inner, closed := strings.CutSuffix(inner, ")")
	number, unit, _ := strings.Cut(inner, " ")
	n, err := strconv.Atoi(number)
	if !isRate || !closed || err != nil || n < 1 || n > 1e6 {
		return 0, false
	}
	if n != 1 {
		var plural bool
		if unit, plural = strings.CutSuffix(unit, "s"); !plural {
			return 0, false
		}
	}
	switch unit {
	case "minute":
		return time.Duration(n) * time.Minute, true
	case "hour":
		return time.Duration(n) * time.Hour, true
	case "day":
		return time.Duration(n) * 24 * time.Hour, true
	}
	return 0, false
}
