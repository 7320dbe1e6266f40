// Package mongod is a small MongoDB-compatible server for development: it lets
// the chat run on a machine where nothing is installed.
//
// It speaks MongoDB's wire protocol on a loopback port, so the unmodified
// drivers, other processes and mongosh can use it. Documents live in memory;
// with a data directory every acknowledged write is in a journal file first,
// so it survives kill -9 of the process. The journal is written but not
// flushed to the disk: a power failure may lose the last seconds, and what it
// leaves at the end that is no record is cut off. A journal with damage before
// a record, or that was emptied, is an error and never a new database.
//
// It is not a database for production. Set MONGODB_URI and this server is not
// started at all: the server named there takes its place. The suite in package
// mongotest runs on either, so it shows where the two differ.
//
// It answers as a standalone server: no replica set, no sessions, no retryable
// writes. Read and write concerns are accepted and always met: what a reply
// shows is in the journal. For tests it can be the members of a replica set
// (Replica), with retryable writes, a majority that lags, failovers that take
// back what it has not, and faults, and let in only who knows a password
// (Require). It never has transactions, change streams, TLS, or compression. Of
// MongoDB it has what the chat's stores use:
//
//   - filters: $eq $ne $gt $gte $lt $lte $in $exists $elemMatch (on documents)
//     $not (of one operator) $and $or
//   - updates: $set $unset $inc $max $push $pull $addToSet (also with $each)
//     $currentDate (of a date), by paths through documents, not through arrays;
//     a whole document in place of another; upsert
//   - find with inclusion projections, sort, skip, limit; findAndModify as an
//     update; aggregate as $match, $skip, $limit and one $group by a path or
//     by a document of paths, of sums ($sum of 1 or of a path)
//   - indexes: ascending and descending, compound, multikey, unique, partial
//     ($exists: true)
//   - all types of JSON, dates, binary data, ObjectIDs, and Decimal128, which
//     is stored exactly but compared as a double
//
// Anything else is refused with an error that names the command, option, stage,
// operator or type. Hints are ignored; strings are compared by their bytes.
//
// Limits: 16 MiB per document and per reply, 48 MB per message, 200 levels of
// nesting, 100,000 operations per command, 1,000 open cursors (the one idle
// longest gives way), 4,096 connections. All data must fit in memory.
package mongod
