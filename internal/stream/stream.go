// Package stream holds the contracts that carry records between the stages of
// crmwatch, as io.Reader and io.Writer carry bytes. internal/bus satisfies them
// with Kafka; nothing here knows of it.
//
// Every stage has one shape: next, work, make durable, commit.
package stream

import (
	"context"
	"errors"
	"time"
)

// Record is one message of a partitioned log.
type Record struct {
	Key   []byte
	Value []byte // nil deletes the key in a Table
	Time  time.Time
	// Partition and Offset are set on records that were read.
	Partition int
	Offset    int64
}

// Writer appends records to one topic.
type Writer interface {
	// Write returns nil when every record is durable (acks=all), and an error
	// when at least one may not be; a caller that writes all of them again does
	// no harm, because ids come from content. Records of one key keep their
	// order. Safe for concurrent use.
	Write(ctx context.Context, recs ...Record) error
}

// Claim is one partition of a topic, owned by one goroutine until its context
// ends.
type Claim interface {
	Partition() int
	// Committed is the offset of the next record by the group's last commit, or
	// -1 when the group never committed here.
	Committed() int64
	// StartAt sets the offset of the next record that Next returns; before the first
	// call of Next only. Without it reading starts at Committed, or at the first
	// record of the log.
	StartAt(offset int64)
	// Next blocks until there is at least one record, then returns as soon as
	// there are limit of them or wait has passed. The records are consecutive. An
	// error is final: the claim is lost, or its context has ended. Only where ctx is
	// shorter than the claim's context and has ended alone, nothing is lost, and the
	// next call goes on.
	Next(ctx context.Context, limit int, wait time.Duration) ([]Record, error)
	// Commit says that everything before offset next is done and durable.
	Commit(ctx context.Context, next int64) error
	// Lag is the number of records after the last one returned, as of that read.
	Lag() int64
}

// Group shares the partitions of a topic between the processes of one consumer
// group.
type Group interface {
	// Run calls handle for every partition that this process comes to own, each
	// in its own goroutine, with a context that ends when the partition is to be
	// given up, and waits for them. It returns nil when ctx ends, otherwise the
	// first error that a handler returned while it still owned its partition.
	Run(ctx context.Context, handle func(ctx context.Context, c Claim) error) error
}

// Table is a compacted topic: the last value of every key.
type Table interface {
	// Load calls fn for every record of the partition that was durable when the
	// call began, in order; older values of a key may be among them, and a nil
	// value deletes.
	Load(ctx context.Context, partition int, fn func(Record) error) error
	// Append makes all records durable in the partition in one atomic write:
	// either all of them can be read afterwards, or none.
	Append(ctx context.Context, partition int, recs ...Record) error
}

// ErrFenced says that somebody else has taken over a partition of a Ledger. It is
// final: whoever gets it must forget what it knows of the partition.
var ErrFenced = errors.New("another owner has taken over")

// Ledger is a compacted topic of which every partition has one owner at a time,
// by the log itself: a former owner that is only slow, and does not know yet, can
// append nothing any more.
type Ledger interface {
	// Own takes a partition over from whoever owns it.
	Own(ctx context.Context, partition int) (Owned, error)
}

// Owned is a partition of a Ledger in the hands of its owner.
type Owned interface {
	// Load calls fn for every record there was when the partition was taken over,
	// in order; older values of a key may be among them, and a nil value deletes.
	Load(ctx context.Context, fn func(Record) error) error
	// Append makes all records durable, once, in one atomic write. After an error,
	// ErrFenced or another, nothing more can be appended.
	Append(ctx context.Context, recs ...Record) error
	// Follows reports whether this takes up where before has ended: nobody has
	// appended anything in between.
	Follows(before Owned) bool
}

// Follower is a Table that can be watched.
type Follower interface {
	Table
	// Follow is Load without an end: it calls fn for everything there is, then
	// caught once, then fn for everything that comes, until ctx ends.
	Follow(ctx context.Context, partition int, fn func(Record) error, caught func()) error
}
