// Package cost computes what a month costs, from the billed units of what people
// do, which tests count, and a dated table of prices.
package cost

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"strings"

	"aiwm-chat/local/command"
	"aiwm-chat/shared/chat"
)

// Command prints the bill of a month, line by line, the largest first.
func Command(_ context.Context, args []string, out io.Writer, _ func(string) string) error {
	u := use{}
	fs := flag.NewFlagSet("cost", flag.ContinueOnError)
	fs.IntVar(&u.users, "users", 1000, "people who use it in a month")
	fs.IntVar(&u.messages, "messages", 50, "messages a month for each of them, the answers of agents included")
	fs.IntVar(&u.minutes, "minutes", 300, "minutes a month that each of them is connected")
	fs.IntVar(&u.tokens, "tokens", 3000, "tokens that the model reads for a summary; 0: summaries are made offline")
	fs.IntVar(&u.written, "summary-tokens", 300, "tokens that it writes")
	fs.Float64Var(&u.kb, "kb", 1, "KB of a frame, on average")
	fs.Float64Var(&u.ms, "ms", 40, "milliseconds of an invocation, on average")
	fs.Float64Var(&u.memory, "memory", 512, "MB of a function, as in template.yaml")
	fs.Float64Var(&u.peak, "peak", 10, "how much busier the busiest hour is than the average one")
	fs.StringVar(&u.streams, "streams", streamsNone, "half of the messages are answers that a device sees grow: none, agents (programs that connect write them) or managed (the backend does)")
	fs.IntVar(&u.answerTokens, "answer-tokens", 500, "tokens of such an answer")
	fs.Float64Var(&u.answerSpeed, "answer-speed", 60, "tokens a second of such an answer")
	lean := fs.Bool("lean", false, "clients speak the lean dialect")
	stack := fs.String("stack", "novpc", "novpc: databases over the internet, nothing idle; vpc: with a NAT gateway, a node of Redis and peering")
	file := fs.String("prices", "", "file with other prices, in the form of local/cost/prices.json")
	if err := command.Parse(fs, args); err != nil {
		return err
	}
	if *lean {
		u.dialect = chat.Lean
	}
	u.vpc = *stack == "vpc"
	if err := u.check(*stack); err != nil {
		return err
	}
	b := embedded
	if *file != "" {
		var err error
		if b, err = os.ReadFile(*file); err != nil {
			return fmt.Errorf("-prices: %w", err)
		}
	}
	t, err := parsePrices(b)
	if err != nil {
		return fmt.Errorf("-prices: %w", err)
	}
	_, err = io.WriteString(out, bill(t, u))
	return err
}

// check names each flag that is wrong.
func (u use) check(stack string) error {
	var faults []error
	for _, f := range []struct {
		name          string
		value, lowest float64
	}{
		{"-users", float64(u.users), 0}, {"-messages", float64(u.messages), 0}, {"-minutes", float64(u.minutes), 0},
		{"-tokens", float64(u.tokens), 0}, {"-summary-tokens", float64(u.written), 0},
		{"-kb", u.kb, 0}, {"-ms", u.ms, 0}, {"-memory", u.memory, 128}, {"-peak", u.peak, 1},
		{"-answer-tokens", float64(u.answerTokens), 1}, {"-answer-speed", u.answerSpeed, 1},
	} {
		if !(f.value >= f.lowest && f.value <= 1e9) {
			faults = append(faults, fmt.Errorf("%s must be from %g to 1e9", f.name, f.lowest))
		}
	}
	if u.kb == 0 {
		faults = append(faults, errors.New("-kb must be more than 0"))
	}
	if float64(u.users)*float64(max(u.messages, u.minutes)) > 1e12 {
		faults = append(faults, errors.New("-users, -messages and -minutes are more than this reckons with"))
	}
	if u.streams != streamsNone && u.streams != streamsAgents && u.streams != streamsManaged {
		faults = append(faults, errors.New("-streams must be none, agents or managed"))
	}
	if stack != "novpc" && stack != "vpc" {
		faults = append(faults, errors.New("-stack must be novpc or vpc"))
	}
	return errors.Join(faults...)
}

// bill is a month in words.
func bill(t table, u use) string {
	var b strings.Builder
	own, shared := month(t, u)
	lines := slices.Concat(own, shared)
	slices.SortStableFunc(lines, func(a, b line) int { return -cmp.Compare(a.cost, b.cost) })
	total := sum(lines)
	fmt.Fprintf(&b, "%d users, %s messages a month, %s, in %s\n\n", u.users, count(float64(u.users*u.messages)), t.Region, t.Currency)
	for _, l := range lines {
		mark := " "
		if l.Unverified {
			mark = "*"
		}
		fmt.Fprintf(&b, "%10.2f %3.0f%% %s%s: %s\n", l.cost, share(l.cost, total), mark, l.What, count(l.pieces))
	}
	fmt.Fprintf(&b, "%10.2f      a month", total)
	if n := u.users * u.messages; n > 0 {
		fmt.Fprintf(&b, ", %.2f for a thousand messages", total/float64(n)*1000)
	}
	idle := u
	idle.users = 0
	idleOwn, idleShared := month(t, idle)
	fmt.Fprintf(&b, "\n%10.2f      of it in a month without anybody\n\n", sum(idleOwn)+sum(idleShared))
	if lines[0].cost > 0 {
		fmt.Fprintf(&b, "What dominates: %s, %.0f%%.\n", lines[0].What, share(lines[0].cost, total))
	}
	fmt.Fprintf(&b, "Two servers that run day and night and their load balancer cost %.2f, with the same databases; what they replace costs %.2f here. ", sum(server(t)), sum(own))
	switch even := breakEven(t, u); even {
	case 0:
		b.WriteString("They are cheaper from the first message on.\n")
	case math.MaxInt:
		b.WriteString("They are never cheaper.\n")
	default:
		fmt.Fprintf(&b, "They are cheaper from about %s messages a month.\n", count(float64(even)))
	}
	if u.streams != streamsNone {
		b.WriteString(perThousand(t, u))
	}
	b.WriteString("* is a price that no page could be found for that says so today; prices of pages are in local/cost/prices.json, with the day. No free tier of the first year counts.\n")
	return b.String()
}

func share(part, total float64) float64 {
	if total == 0 {
		return 0
	}
	return 100 * part / total
}

// count is a number for people: 1,234,567.
func count(n float64) string {
	if n < 100 && n != math.Trunc(n) {
		return fmt.Sprintf("%.2f", n)
	}
	s := fmt.Sprintf("%.0f", n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
