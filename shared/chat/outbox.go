package chat

import (
	"slices"
	"time"
)

// An Effect is something that follows from the commit of a message and can be
// done again.
type Effect string

// The effects of a message.
const (
	EffectDeliver   Effect = "deliver"   // post it to those who are to have it
	EffectProject   Effect = "project"   // bring the conversation's totals up to it
	EffectSummarise Effect = "summarise" // enqueue the job
)

// The parts of EffectDeliver. One is left by itself where the other is done, as
// where Redis told of one only: nobody is to get everything again for that.
const (
	EffectDeliverRoom  Effect = "deliver-room"  // what those in the room get
	EffectDeliverAgent Effect = "deliver-agent" // what the agent gets that is asked
)

// The effects of a change of a message: who changed it does all that is left, from what
// it is then. Each is added to what is due by the update that makes the change.
const (
	// EffectForget: the conversation's summary and last message repeat what it said before.
	EffectForget Effect = "forget"
	// EffectTell: those in the room are told what it says now, or that it is deleted.
	EffectTell Effect = "tell"
	// EffectTellReactions: those in the room are told its reactions.
	EffectTellReactions Effect = "tell-reactions"
)

// EffectSearch follows from a message, and from an edit and a deletion: it is found by what it
// says now.
const EffectSearch Effect = "search"

// EffectReplies follows from a reply and from its deletion: the root of its thread says how
// many there are.
const EffectReplies Effect = "replies"

// EffectCall follows from a user's message and from a decision: a managed agent is to
// answer, or to go on. It is done when the run is queued, and its job with it, or when
// nobody is to be called.
const EffectCall Effect = "call"

// EffectMention follows from a message that mentions somebody: who is not there to see it
// is told. Whom, Due.Notices says.
const EffectMention Effect = "mention"

// The effects of the uploads of a message. Their part in the database is done at once; the
// object store is sweep's, so that no other function may write or delete there.
const (
	// EffectAttach: what is attached is the message's, for everybody in the conversation, and
	// stays.
	EffectAttach Effect = "attach"
	// EffectErase: what was attached, and is no more, is deleted.
	EffectErase Effect = "erase"
)

// SummaryEvery is after how many messages a conversation is summarised again.
const SummaryEvery = 10

// MaxDueTo is how many connections Due.To names at most.
const MaxDueTo = 50

// Due is the outbox of a message: what is left to do of what follows from its
// commit. It is stored with the message and by the same insert, so that who
// dies after the commit loses none of it; where nothing is left there is none.
type Due struct {
	At    time.Time      // when somebody else may take it up
	Left  []Effect       // in no order
	To    []ConnectionID // of delivery, or of EffectDeliverRoom where that is left, or where no delivery is, of what is to be told: who has not got it; empty: everybody
	Tries int            // deliveries that did not reach all
	// Notices is of EffectMention.
	Notices Notices
}

// MaxDueTries and MaxDueAge bound delivery to who is not reached. After that the heads
// in their pongs tell: who hangs must not keep sweep from others for ever.
const (
	MaxDueTries = 3
	MaxDueAge   = 2 * time.Minute
)

// GivesUp reports whether delivery that has failed once more is given up, of what came
// to be at a time.
func (d *Due) GivesUp(since time.Time) bool {
	return d.Tries+1 >= MaxDueTries && time.Since(since) >= MaxDueAge
}

// NewDue is what is due of a message that is about to be appended by somebody
// who needs at most patience for it. Whether it is one to summarise at is known
// with its seq only: see Due.For.
func NewDue(now time.Time, patience time.Duration) *Due {
	return &Due{At: now.Add(patience), Left: []Effect{EffectDeliver, EffectProject, EffectSearch}}
}

// With returns d where an effect more follows, of which nothing is known before the conversation is.
func (d *Due) With(e Effect) *Due {
	out := *d
	out.Left = append(slices.Clone(d.Left), e)
	return &out
}

// Noticing returns d where somebody may have to be told that they are mentioned as well.
func (d *Due) Noticing(n Notices) *Due {
	out := d.With(EffectMention)
	out.Notices = n
	return out
}

// For returns d for the message of a seq, which may be one to summarise at.
func (d *Due) For(seq int64) *Due {
	if d == nil {
		return nil
	}
	out := *d
	out.Left = slices.DeleteFunc(slices.Clone(d.Left), func(e Effect) bool { return e == EffectSummarise })
	if seq%SummaryEvery == 0 {
		out.Left = append(out.Left, EffectSummarise)
	}
	return &out
}

// Without returns what is left of d when an effect is done, nil where nothing is.
func (d *Due) Without(e Effect) *Due {
	if d == nil {
		return nil
	}
	out := *d
	if out.Left = slices.DeleteFunc(slices.Clone(d.Left), func(l Effect) bool { return l == e }); len(out.Left) == 0 {
		return nil
	}
	return &out
}

// Done returns what is left of d, nil where nothing is, when somebody is done who knew had,
// which is no more what is there, and says what they leave of it. What a change since may
// have left again, as again says, is not theirs; and what of a delivery is left stays as it
// is.
func (d *Due) Done(had, left *Due, again func(Effect) bool) *Due {
	out := *d
	out.Left = slices.DeleteFunc(slices.Clone(d.Left), func(e Effect) bool {
		knew := had.Has(e) || e.delivers() && had.Has(EffectDeliver)
		leaves := left.Has(e) || e.delivers() && left.Delivers()
		return knew && !leaves && !again(e)
	})
	if d.Delivers() && !out.Delivers() {
		out.To = nil
	}
	return out.whole()
}

// OfChange returns what of d changes leave, and what the commit alone did, nil where nothing
// is.
func (d *Due) OfChange() (change, commit *Due) {
	own, rest := *d, *d
	own.Left, rest.Left = nil, nil
	for _, e := range d.Left {
		of := &rest
		switch e {
		case EffectForget, EffectTell, EffectTellReactions, EffectErase:
			of = &own
		case EffectMention, EffectAttach, EffectSearch, EffectReplies: // of both: of an edit they come with EffectTell
			if d.Has(EffectTell) {
				of = &own
			}
		}
		of.Left = append(of.Left, e)
	}
	if d.Delivers() {
		own.To = nil
	}
	return own.whole(), rest.whole()
}

// whole returns d, nil where nothing is left, with nothing of what is not.
func (d *Due) whole() *Due {
	if len(d.Left) == 0 {
		return nil
	}
	if !d.Has(EffectMention) {
		d.Notices = Notices{}
	}
	return d
}

func (e Effect) delivers() bool {
	return e == EffectDeliver || e == EffectDeliverRoom || e == EffectDeliverAgent
}

// Has reports whether an effect is left.
func (d *Due) Has(e Effect) bool { return d != nil && slices.Contains(d.Left, e) }

// ToRoom reports whether delivery to those in the room is left.
func (d *Due) ToRoom() bool { return d.Has(EffectDeliver) || d.Has(EffectDeliverRoom) }

// ToAgent reports whether delivery to the agent that is asked is left.
func (d *Due) ToAgent() bool { return d.Has(EffectDeliver) || d.Has(EffectDeliverAgent) }

// Delivers reports whether a delivery, or a part of one, is left.
func (d *Due) Delivers() bool { return d.ToRoom() || d.ToAgent() }

// Tells reports whether a connection is to be told what has changed, if that is due.
func (d *Due) Tells(id ConnectionID) bool {
	return len(d.To) == 0 || d.Delivers() || slices.Contains(d.To, id)
}

// Names reports whether delivery is due to a connection of the room, or of the
// agent, if it is due there.
func (d *Due) Names(id ConnectionID, agent bool) bool {
	return len(d.To) == 0 || agent && d.Has(EffectDeliverRoom) || slices.Contains(d.To, id)
}
