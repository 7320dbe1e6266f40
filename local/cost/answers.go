package cost

import (
	"fmt"
	"math"
	"strings"
	"time"

	"aiwm-chat/shared/chat"
)

// Who writes the answers that people see grow.
const (
	streamsNone    = "none"
	streamsAgents  = "agents"  // programs that connect: what they append is billed, too
	streamsManaged = "managed" // the backend
)

// answerMemory is that of the function answer, in MB, which waits for the model.
const answerMemory = 256

// pieces is how many frames an answer takes to one device, put together as all that
// writes streams here does.
func pieces(tokens int, perSecond float64) (n int) {
	var p chat.Pace
	start := time.Time{}.AddDate(2000, 0, 0)
	end := start.Add(duration(tokens, perSecond))
	for at := start; !at.After(end); at = p.Due() {
		whole := p.Repairs(at)
		p.Sent(at, whole)
		n++
	}
	return n
}

func duration(tokens int, perSecond float64) time.Duration {
	return time.Duration(float64(tokens) / perSecond * float64(time.Second))
}

// Answer returns what one answer costs beside its message, when one device sees it
// grow, of so many pieces in so many seconds. Of an append the tests count what it asks
// of Redis; the rest is read off the code.
func Answer(pieces int, seconds float64, managed bool) Units {
	begun := Units{Frames: 1, Redis: 12, Jobs: 1} // stream:start, the steps of a start, and the job that looks after it
	if managed {
		kept := int(math.Ceil(seconds)) // once a second; and before each piece it is read who is in the room
		return Units{
			Frames: begun.Frames + pieces, Invocations: 2, Redis: begun.Redis + pieces + kept*appendCommands + 5,
			Mongo: 14, Jobs: begun.Jobs + 1,
		}
	}
	return Units{
		Frames: begun.Frames + 2 + 2*pieces, Invocations: 2 + pieces, Redis: begun.Redis + pieces*appendCommands + 5,
		Mongo: 5, Jobs: begun.Jobs,
	}
}

// appendCommands are those of one append: the piece, and who is in the room.
const appendCommands = 2

// withAnswers adds what it costs that half of the messages are answers that people see
// grow.
func withAnswers(a amounts, u use) (all amounts, answers float64) {
	if u.streams == streamsNone || u.streams == "" {
		return a, 0
	}
	answers = float64(u.users*u.messages) / 2
	seconds := duration(u.answerTokens, u.answerSpeed).Seconds()
	return a.plus(Answer(pieces(u.answerTokens, u.answerSpeed), seconds, u.streams == streamsManaged).times(answers)), answers
}

// perThousand says what a thousand such answers cost, whatever else there is.
func perThousand(t table, u use) string {
	seconds := duration(u.answerTokens, u.answerSpeed).Seconds()
	n := pieces(u.answerTokens, u.answerSpeed)
	price := func(name string, n float64) float64 { p := t.byName[name]; return n * 1000 / p.Per * p.Price }
	var b strings.Builder
	fmt.Fprintf(&b, "A thousand answers of %d tokens at %g a second, each seen by one device as it grows, in %d frames:", u.answerTokens, u.answerSpeed, n)
	fmt.Fprintf(&b, " %.3f for those, and as much for each further device; ", price("frame", float64(n)))
	if u.streams == streamsManaged {
		a := Answer(n, seconds, true)
		fmt.Fprintf(&b, "%.3f for the function that writes them, %.3f for Redis where it is billed by the command.",
			price("invocation", float64(a.Invocations))+price("gb-second", seconds*answerMemory/1024), price("redis-command", float64(a.Redis)))
	} else {
		a := Answer(n, seconds, false)
		fmt.Fprintf(&b, "%.3f for the frames and invocations of the agent that writes them, %.3f for Redis where it is billed by the command.",
			price("frame", float64(n+1))+price("invocation", float64(a.Invocations))+price("gb-second", float64(a.Invocations)*u.ms/1000*u.memory/1024),
			price("redis-command", float64(a.Redis)))
	}
	fmt.Fprintf(&b, " A frame for each token would be %.3f.\n", price("frame", float64(u.answerTokens)))
	return b.String()
}
