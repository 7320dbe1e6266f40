// Package mongostore keeps conversations, their logs of messages, agents with
// their status, and the runs of those that the backend answers for, in MongoDB.
// It needs version 5.0 or later, because the names in tool calls may begin with a
// dollar, and it is made for a replica set.
//
// A message is committed by one insert under the unique index {conversationId,
// seq}, acknowledged by a majority; a conversation's totals and last message
// are a projection of the newest message and can be rebuilt from it. Every read
// is a majority read from the primary: with local reads a failover could show a
// message that is rolled back later, and the seq after it would leave a gap for
// ever. So CreateIndexes must have run before the first Append (CheckIndexes
// tells), nothing else may assign a seq, and the newest message of a log is
// never deleted physically.
//
// A run is changed by compare-and-sets alone, each of which names the attempt: see
// local/model/runs. The unique index of busy runs must exist before the first claim
// (CheckRunIndexes tells).
//
// What follows from a commit is due until it is settled: it is stored with the
// message, by the same insert. An operation is an attempt of at most two
// seconds; one that was lost, by a network or a server that does not answer, is
// attempted once more unless it must not be done twice. An election takes
// longer: Append and Conversation wait five seconds for its end.
//
// Errors that a caller may see are *chat.Error: NotFound for what does not
// exist, is deleted or is not the caller's to see; Unavailable, which may be
// retried, for a database that does not answer in time. Any other error is a
// fault of the program or of the data.
//
// Times are kept in milliseconds: what a method returns is what is stored, not
// what was given. All values in queries are typed strings, numbers and times
// that this package puts there: no input can become an operator.
package mongostore
