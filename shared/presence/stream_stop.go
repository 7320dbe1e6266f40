package presence

import (
	"context"

	"github.com/redis/go-redis/v9"

	"aiwm-chat/shared/chat"
)

// StopStream notes that by wants a stream to end: of one that is lost, or has not begun, for
// ten minutes, and EnterStream finds it. One round trip.
func (s *Store) StopStream(ctx context.Context, id chat.ConversationID, stream string, by chat.Principal) (chat.StreamVerdict, error) {
	var verdict *redis.Cmd
	err := s.pipelined(ctx, func(p redis.Pipeliner) {
		verdict = p.Eval(ctx, stopStreamScript, []string{streamKey(id, stream)}, owner(by), int(streamLife.Seconds()))
	})
	if err != nil {
		return "", failed("stop a stream", err)
	}
	text, _ := verdict.Text()
	return chat.StreamVerdict(text), nil
}

// StopQuestion notes that by wants no answer to a question, also before one begins.
// One round trip.
func (s *Store) StopQuestion(ctx context.Context, id chat.ConversationID, question chat.MessageID, by chat.Principal) error {
	err := s.pipelined(ctx, func(p redis.Pipeliner) {
		p.HSet(ctx, stopsKey(id), string(question), owner(by))
		p.Expire(ctx, stopsKey(id), streamLife)
	})
	return failed("stop the answer to a question", err)
}

// QuestionStopped returns who wants no answer to a question. One round trip.
func (s *Store) QuestionStopped(ctx context.Context, id chat.ConversationID, question chat.MessageID) (by chat.Principal, stopped bool, err error) {
	var text *redis.StringCmd
	err = s.pipelined(ctx, func(p redis.Pipeliner) { text = p.HGet(ctx, stopsKey(id), string(question)) })
	if err != nil {
		return chat.Principal{}, false, failed("look whether a question was stopped", err)
	}
	return parseOwner(text.Val()), text.Val() != "", nil
}

// StopWanted reports whether somebody wants a stream to end, or has noted that of what it
// answers: the run of an agent that the backend runs looks so every 150 ms. One round trip.
func (s *Store) StopWanted(ctx context.Context, id chat.ConversationID, stream string, question chat.MessageID) (bool, error) {
	var of, noted *redis.StringCmd
	err := s.pipelined(ctx, func(p redis.Pipeliner) {
		of = p.HGet(ctx, streamKey(id, stream), "stop")
		noted = p.HGet(ctx, stopsKey(id), string(question))
	})
	if err != nil {
		return false, failed("look whether somebody stops an answer", err)
	}
	return of.Val() != "" || noted.Val() != "", nil
}
