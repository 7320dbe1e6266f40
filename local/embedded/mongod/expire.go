package mongod

import (
	"time"

	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"
)

// expireEvery is how often documents are looked for whose time is over, as in MongoDB.
const expireEvery = time.Minute

// expire removes them until the server closes. A replica set, which keeps nothing, keeps them
// as long as it lives.
func (s *Server) expire() {
	ticker := time.NewTicker(expireEvery)
	defer ticker.Stop()
	for {
		select {
		case <-s.done:
			return
		case now := <-ticker.C:
			s.store.expire(now)
		}
	}
}

// expire removes the documents whose time was over at a moment.
func (s *store) expire(now time.Time) {
	for _, ns := range s.namespaces("") {
		c, err := s.toWrite(ns)
		if err != nil {
			continue // it is gone
		}
		for _, ix := range c.indexes {
			if !ix.expires {
				continue
			}
			before := bsoncore.Value{Type: bsoncore.TypeDateTime, Data: bsoncore.AppendDateTime(nil, now.Add(-ix.after).UnixMilli())}
			f := filter{{path: ix.fields[0].path, op: "$lte", value: before}}
			for _, r := range c.search(query{filter: f}) {
				c.remove(r)
			}
		}
		c.mu.Unlock()
	}
}
