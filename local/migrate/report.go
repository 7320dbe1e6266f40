package migrate

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"time"
)

// A problem is a row that is not taken, or not as it was.
type problem struct {
	Collection string `json:"collection" bson:"collection"`
	ID         string `json:"id" bson:"id"`
	Reason     string `json:"reason" bson:"reason"`
	Mended     bool   `json:"mended" bson:"mended"` // it is taken
}

// An outcome is what became of one conversation and its messages.
type outcome struct {
	Conversation bool      `bson:"conversation"` // it is new
	Taken        int       `bson:"taken"`        // messages
	There        int       `bson:"there"`
	Gone         int       `bson:"gone"`
	Problems     []problem `bson:"problems,omitempty"`
}

func (o *outcome) refuse(collection, id, reason string) {
	o.Problems = append(o.Problems, problem{collection, id, reason, false})
}

// mend notes what of a row is not taken over as it was.
func (o *outcome) mend(collection string, r *row) {
	for _, note := range r.notes {
		o.Problems = append(o.Problems, problem{collection, r.id(), note, true})
	}
}

// gone counts rows that were deleted while they were about to be read.
func (o *outcome) gone(n int) { o.Gone += n }

// A report is what a run did and what it could not do.
type report struct {
	Conversations, There int // new ones, and those that were there
	sum                  outcome
	refused, mended      map[string]int // rows, by collection
	problems             io.Writer      // gets every one, as a line of JSON; nil: nobody wants them
	err                  error          // of that

	out           io.Writer
	total, passed int // conversations
	soFar         func() string
	shown         time.Time
}

func newReport(out, problems io.Writer) *report {
	return &report{out: out, problems: problems, refused: map[string]int{}, mended: map[string]int{}}
}

// begin is before the first of so many conversations. soFar says beside the bar what
// became of them.
func (r *report) begin(total int, soFar func() string) { r.total, r.soFar = total, soFar }

// moved is what a run has come to so far.
func (r *report) moved() string {
	return fmt.Sprintf(", %d messages, %d rows not taken", r.sum.Taken, r.refused["conversations"]+r.refused["messages"])
}

func (r *report) add(o outcome) {
	if o.Conversation {
		r.Conversations++
	} else {
		r.There++
	}
	r.sum.Taken, r.sum.There, r.sum.Gone = r.sum.Taken+o.Taken, r.sum.There+o.There, r.sum.Gone+o.Gone
	for _, p := range o.Problems {
		r.problem(p)
	}
}

func (r *report) refuse(collection, id, reason string) {
	r.problem(problem{collection, id, reason, false})
}

// shownProblems is how many are printed; a file can have them all.
const shownProblems = 100

func (r *report) problem(p problem) {
	if p.Mended {
		r.mended[p.Collection]++
	} else {
		r.refused[p.Collection]++
	}
	if r.problems != nil && r.err == nil {
		line, err := json.Marshal(p)
		if err == nil {
			_, err = r.problems.Write(append(line, '\n'))
		}
		r.err = err
	}
	if len(r.sum.Problems) < shownProblems {
		r.sum.Problems = append(r.sum.Problems, p)
	}
}

// messages is how many rows of messages were met.
func (r *report) messages() int64 {
	return int64(r.sum.Taken + r.sum.There + r.sum.Gone + r.refused["messages"])
}

const progressEvery = time.Second

// progress shows now and then how far it has come.
func (r *report) progress(conversations int) {
	r.passed += conversations
	if now := time.Now(); now.Sub(r.shown) >= progressEvery {
		r.shown = now
		r.line(false)
	}
}

// line shows how far it has come: on a terminal over the line before, until the end.
func (r *report) line(end bool) {
	const width = 30
	bar := make([]byte, width)
	for i := range bar {
		if bar[i] = '.'; i < width*r.passed/max(r.total, 1) {
			bar[i] = '#'
		}
	}
	before, after := "", "\n"
	if terminal(r.out) {
		if before = "\r"; !end {
			after = ""
		}
	}
	fmt.Fprintf(r.out, "%s[%s] %d of %d conversations%s%s", before, bar, r.passed, r.total, r.soFar(), after)
}

func terminal(out io.Writer) bool {
	f, ok := out.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// print says what was done, or of a dry run what would be.
func (r *report) print(dry bool) {
	verb := "taken"
	if dry {
		verb = "would be taken"
	}
	fmt.Fprintf(r.out, "conversations: %d %s, %d were there, %d cannot be taken\n", r.Conversations, verb, r.There, r.refused["conversations"])
	fmt.Fprintf(r.out, "messages: %d %s, %d were there, %d cannot be taken\n", r.sum.Taken, verb, r.sum.There, r.refused["messages"])
	for _, mended := range []bool{false, true} {
		for _, p := range r.sum.Problems {
			if p.Mended != mended {
				continue
			}
			what := "not taken"
			if mended {
				what = "changed"
			}
			fmt.Fprintf(r.out, "%s: %s %s: %s\n", what, p.Collection, p.ID, p.Reason)
		}
	}
	all := r.refused["conversations"] + r.refused["messages"] + r.mended["conversations"] + r.mended["messages"]
	if more := all - len(r.sum.Problems); more > 0 {
		fmt.Fprintf(r.out, "and %d more: -report FILE has them all\n", more)
	}
}
