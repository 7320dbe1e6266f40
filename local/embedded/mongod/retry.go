package mongod

import (
	"cmp"
	"maps"
	"slices"

	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"
)

// maxRetries bounds the sessions of which writes are remembered.
const maxRetries = 100_000

// A retry is what was done of a write that has a number in its session: whoever
// repeats it gets the same answer, and nothing is done again. Once the command
// is over it is not changed. A nil one knows nothing.
type retry struct {
	session  string
	number   int64
	outcomes map[int]outcome // by statement
}

// An outcome is what a statement came to.
type outcome struct {
	n, modified int32
	upserted    bsoncore.Value
	reply       []byte // of findAndModify
}

func (r *retry) done() bool { return r != nil && len(r.outcomes) > 0 }

// outcome returns that of a statement, if it was done before.
func (r *retry) outcome(statement int) (outcome, bool) {
	if r == nil {
		return outcome{}, false
	}
	o, ok := r.outcomes[statement]
	return o, ok
}

// remember notes the outcome of a statement.
func (r *retry) remember(statement int, o outcome) {
	if r != nil {
		r.outcomes[statement] = o
	}
}

// begin looks up what is known of the write of a request; nil for one that has
// no number.
func (n *node) begin(r *request) (*retry, error) {
	number, ok := integer(field(r.body, "txnNumber"))
	if !ok {
		return nil, nil
	}
	session := field(field(r.body, "lsid").Data, "id")
	if isMissing(session) {
		return nil, errorf(codeInvalidOptions, "Transaction number requires a session ID to also be specified")
	}
	if !slices.Contains([]string{"insert", "update", "delete", "findAndModify"}, r.name) {
		return nil, errorf(codeNotRetryable, "txnNumber may only be provided for retryable write commands, not for %s", r.name)
	}
	if err := onlySingle(r); err != nil {
		return nil, err
	}
	next := &retry{session: string(session.Data), number: number, outcomes: map[int]outcome{}}
	last := n.retries[next.session]
	switch {
	case last == nil && len(n.retries) >= maxRetries:
		return nil, errorf(codeTooManySessions, "cannot add session: there are %d", maxRetries)
	case last != nil && number < last.number:
		return nil, errorf(codeTransactionTooOld, "Retryable write with txnNumber %d is prohibited because a newer one with txnNumber %d has already started", number, last.number)
	case last != nil && number == last.number:
		maps.Copy(next.outcomes, last.outcomes)
	}
	return next, nil
}

// onlySingle refuses statements that may concern many documents.
func onlySingle(r *request) error {
	updates, err := r.documents("updates")
	deletes, err2 := r.documents("deletes")
	if err = cmp.Or(err, err2); err != nil {
		return err
	}
	if slices.ContainsFunc(updates, func(s bsoncore.Document) bool { return truthy(field(s, "multi")) }) {
		return errorf(codeInvalidOptions, "Cannot use (or request) retryable writes with multi=true")
	}
	if slices.ContainsFunc(deletes, func(s bsoncore.Document) bool { n, _ := integer(field(s, "limit")); return n != 1 }) {
		return errorf(codeInvalidOptions, "Cannot use (or request) retryable writes with limit=0")
	}
	return nil
}
