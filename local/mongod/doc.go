// Package mongod is a small MongoDB-compatible server for development: it lets
// the chat run on a machine where nothing is installed.
//
// It speaks MongoDB's wire protocol on a loopback port, so the unmodified
// drivers, other processes and mongosh can use it. Documents live in memory;
// with a data directory every acknowledged write is in a journal file first,
// so it survives kill -9 of the process. The journal is written but not
// flushed to the disk: a power failure may lose the last seconds.
//
// It is not a database for production. Set MONGODB_URI and this server is not
// started at all: the server named there takes its place. The suite in package
// mongotest runs on either, so it shows where the two differ.
//
// It answers as a standalone server: no replica set, no transactions, no
// sessions, no retryable writes, no change streams, no authentication, no TLS,
// no compression. Read and write concerns are accepted and always met: what a
// reply shows is in the journal. Of the query language it has what
// the chat's stores use:
//
//   - filters: $eq $ne $gt $gte $lt $lte $in $nin $exists $type $regex $size
//     $all $elemMatch $not $and $or $nor
//   - updates: replacement, $set $unset $inc $min $max $currentDate
//     $setOnInsert $push ($each, $slice) $addToSet ($each) $pull, upsert
//   - aggregation: $match $sort $skip $limit $project $count, and $group with
//     $sum and $count
//   - indexes: ascending and descending, compound, multikey, unique, partial
//   - inclusion and exclusion projections, sort, skip, limit, hint (ignored)
//
// Anything else is refused with an error that names the command, option, stage
// or operator. Decimal128 values are stored exactly but compared as doubles,
// strings are compared by their bytes, and regular expressions are RE2
// (no look-around, no back references).
//
// Limits: 16 MiB per document and per reply, 48 MB per message, 200 levels of
// nesting, 100,000 operations per command, 1,000 open cursors (the one idle
// longest gives way; each expires after ten idle minutes), 4,096 connections.
// All data must fit in memory.
package mongod
