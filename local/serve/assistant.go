package serve

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"aiwm-chat/local/client"
	"aiwm-chat/local/command"
	"aiwm-chat/local/server"
	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/protocol"
)

// scriptedModel is a name only: the scripted model has one voice.
const scriptedModel = "scripted"

// assistantOf is the agent that answers from the first start on: by the scripted model,
// or by OpenAI's where there is a key. It may look up orders of the shop, and asks before
// it pays one back.
func assistantOf(getenv func(string) string) protocol.CreateAgent {
	managed := protocol.Managed{
		Instructions: "You help the customers of a shop. You speak with {{user.id}}. Be short.",
		Provider:     server.ScriptedProvider, Model: scriptedModel,
		Tools: []protocol.ToolSelection{{Server: server.ShopServer, Allow: []string{"get_*", "slow_*"}, Ask: []string{"refund_*"}}},
	}
	if getenv("OPENAI_API_KEY") != "" {
		managed.Provider, managed.Model = server.OpenAIProvider, getenv("OPENAI_MODEL")
		if managed.Model == "" { // which has tools only where it does not think
			managed.Model, managed.ReasoningEffort = "gpt-6-luna", "none"
		}
	}
	return protocol.CreateAgent{AgentID: command.Assistant.ID, Name: "Assistant", Description: "Looks up orders of a small shop, and asks before it pays one back", Managed: &managed}
}

// hire creates the assistant, unless it is there: it is the user's to change then.
func hire(ctx context.Context, s *server.Server, getenv func(string) string) error {
	token, err := s.TokenWith(command.DemoUser, time.Minute, chat.RoleAgentsWrite)
	if err != nil {
		return err
	}
	rest := client.NewREST(s.URL(), token)
	defer rest.Close()
	err = rest.Do(ctx, http.MethodGet, "/agents/"+string(command.Assistant.ID), nil, nil)
	if refused, ok := errors.AsType[*client.Error](err); ok && refused.Code == chat.NotFound {
		err = rest.Do(ctx, http.MethodPost, "/agents", assistantOf(getenv), nil)
	}
	if err != nil {
		return fmt.Errorf("create the agent %s: %w", command.Assistant.ID, err)
	}
	return nil
}
