package contract

import (
	"reflect"
	"time"

	"github.com/google/jsonschema-go/jsonschema"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/protocol"
)

// isBoth are the types that clients write as well as read.
var isBoth = map[reflect.Type]bool{
	reflect.TypeFor[protocol.Thinking](): true,
	reflect.TypeFor[protocol.Usage]():    true,
	reflect.TypeFor[protocol.Voice]():    true,

	reflect.TypeFor[protocol.Mention](): true,

	reflect.TypeFor[protocol.Managed]():       true,
	reflect.TypeFor[protocol.AgentHistory]():  true,
	reflect.TypeFor[protocol.ToolSelection](): true,
	reflect.TypeFor[protocol.Budget]():        true,
}

// isLenient are those of which a client may leave out any member: it is 0, empty or false.
var isLenient = map[reflect.Type]bool{
	reflect.TypeFor[protocol.Thinking](): true,
	reflect.TypeFor[protocol.Usage]():    true,
}

// isTime are the fields that are RFC 3339.
var isTime = map[string]bool{"CreatedAt": true, "UpdatedAt": true, "Joined": true, "StartedAt": true, "At": true, "Timestamp": true, "ExpiresAt": true, "EndedAt": true, "LastSeen": true, "EditedAt": true}

// isID makes a schema one of what chat.ValidID accepts.
func isID(s *jsonschema.Schema) {
	s.Pattern, s.MaxLength = `^[A-Za-z0-9._@:|+=~-]+$`, new(chat.MaxID)
}

// isOwn keeps a client from the ids of what the backend says, as chat.Reserved does.
func isOwn(s *jsonschema.Schema) {
	s.Not = &jsonschema.Schema{Pattern: `^([0-9a-f]{32}:[0-9]+:[0-9]+$|approval:)`}
}

// textLimits are those of types of text that are no enumerations.
var textLimits = map[reflect.Type]func(*jsonschema.Schema){
	reflect.TypeFor[chat.ConversationID]():  isID,
	reflect.TypeFor[chat.MessageID]():       isID,
	reflect.TypeFor[chat.ClientMessageID](): isID,
	reflect.TypeFor[chat.PrincipalID]():     isID,
	reflect.TypeFor[chat.OrgID]():           isID,
	reflect.TypeFor[chat.WebhookID]():       isID,
	reflect.TypeFor[chat.LiveCallID]():      isID,
	reflect.TypeFor[chat.PartyID]():         isID,
	reflect.TypeFor[chat.ReactionKey]():     reactionKey,
	reflect.TypeFor[chat.UploadID]():        shaped(chat.UploadIDPattern),
	reflect.TypeFor[chat.RunID]():           shaped(`^[0-9a-f]{32}$`),
	reflect.TypeFor[chat.CallID]():          shaped(`^[0-9a-f]{32}:(0|[1-9][0-9]*):[1-9][0-9]*$`),
	reflect.TypeFor[chat.Day]():             shaped(`^[0-9]{4}-[0-9]{2}-[0-9]{2}$`),
	reflect.TypeFor[chat.Attachment](): func(s *jsonschema.Schema) {
		s.Pattern, s.MaxLength = `^([Hh][Tt][Tt][Pp][Ss]?://|document:).`, new(int(chat.MaxAttachment))
	},
}

// special is the schema of a member whose Go type says less than is known, nil of
// any other.
func (b *builder) special(key string) *jsonschema.Schema {
	switch key {
	case "History.Messages", "Changed.Messages":
		return &jsonschema.Schema{Type: "array", Items: b.ref(reflect.TypeFor[protocol.Message](), output)}
	case "ExportHead.Format":
		return oneOf(protocol.ExportFormat)
	case "Message.ParticipantType", "ExportedMessage.ParticipantType": // no other participant is the backend
		return oneOf(string(chat.User), string(chat.Agent), string(chat.System))
	case "Typing.State":
		return oneOf(protocol.TypingStart, protocol.TypingStop)
	case "Presence.Status":
		return oneOf(protocol.Online, protocol.Offline)
	case "Report.Status", "Component.Status":
		return oneOf("ok", "unavailable")
	}
	if s := agentValue(key); s != nil {
		return s
	}
	return streamValue(key)
}

func oneOf(values ...any) *jsonschema.Schema { return &jsonschema.Schema{Type: "string", Enum: values} }

// maxMillis is a day: the longest duration that a client may give.
const maxMillis = float64(24 * time.Hour / time.Millisecond)

// limits are those of what clients write. JSON Schema counts characters; where the
// product counts bytes, a text of as many characters may still be too long.
var limits = map[string]func(*jsonschema.Schema){
	"Envelope.ID":                    atMost(protocol.MaxFrameID),
	"CreateConversation.Title":       visible(chat.MaxTitle),
	"CreateConversation.Description": atMost(chat.MaxDescription),
	"CreateConversation.Tags":        tags,
	"UpdateConversation.Title":       visible(chat.MaxTitle),
	"UpdateConversation.Description": atMost(chat.MaxDescription),
	"UpdateConversation.Tags":        tags,
	"EditBody.Content":               atMost(chat.MaxContentREST),
	"EditBody.Attachments":           items(chat.MaxAttachments),
	"EditBody.Mentions":              items(chat.MaxMentions),
	"Signal.CallID":                  func(s *jsonschema.Schema) { isID(s); s.MaxLength = new(chat.MaxLiveCallID) },
	"Signal.Data":                    func(s *jsonschema.Schema) { s.Type = "object" },
	"React.Key":                      reactionKey,
	"ReadBody.Seq":                   place,
	"UnreadBody.FromSeq":             place,
	"Join.ChangedAfter":              shaped(chat.ChangeCursorPattern),
	"MessageInput.Content":           atMost(chat.MaxContentREST),
	"MessageInput.Name":              atMost(chat.MaxMessageName),
	"MessageInput.Attachments":       items(chat.MaxAttachments),
	"MessageInput.Mentions":          items(chat.MaxMentions),
	"MessageInput.ToolCalls":         items(chat.MaxTools),
	"MessageInput.ToolResults":       items(chat.MaxTools),
	"MessageInput.Latency":           below(maxMillis),
	"MessageInput.Error":             atMost(chat.MaxMessageError),
	"MessageInput.ClientMessageID":   isOwn,
	"Stream.StreamID":                func(s *jsonschema.Schema) { isID(s); isOwn(s) },
	"Stream.Index":                   below(protocol.MaxPieces - 1),
	"Stream.Text":                    func(s *jsonschema.Schema) { s.MinLength = new(1) },
	"Stream.Reason":                  atMost(chat.MaxMessageError),
	"Stop.StreamID":                  isID,
	"CreateWebhook.URL":              webhookURL,
	"CreateWebhook.Events":           webhookEvents,
	"CreateAgent.Name":               visible(chat.MaxAgentName),
	"CreateAgent.Description":        atMost(chat.MaxAgentDescription),
	"UpdateAgent.Version":            func(s *jsonschema.Schema) { s.Minimum = new(1.0) },
	"UpdateAgent.Name":               visible(chat.MaxAgentName),
	"UpdateAgent.Description":        atMost(chat.MaxAgentDescription),
	"Managed.Instructions":           atMost(chat.MaxInstructions),
	"Managed.Provider":               configured(64),
	"Managed.Model":                  visible(chat.MaxModelName),
	"Managed.Temperature":            below(2),
	"Managed.MaxOutputTokens":        below(chat.MaxOutputTokens),
	"Managed.Tools":                  items(chat.MaxToolServers),
	"Managed.MaxSteps":               below(chat.MaxStepsCap),
	"Managed.MaxSeconds":             below(chat.MaxRunSeconds),
	"Managed.ApprovalSeconds":        below(chat.MaxApprovalSeconds),
	"AgentHistory.Messages":          below(chat.MaxHistoryMessages),
	"AgentHistory.Tokens":            below(chat.MaxHistoryTokens),
	"ToolSelection.Server":           configured(chat.MaxToolServer),
	"ToolSelection.Allow":            globs,
	"ToolSelection.Ask":              globs,
	"ToolSelection.Deny":             globs,
	"Budget.TokensPerConversation":   below(chat.MaxTokens),
	"Budget.TokensPerDay":            below(chat.MaxTokens),
	"Decide.Reason":                  atMost(chat.MaxReason),
	"Thinking.Content":               atMost(chat.MaxThinking),
	"Thinking.Duration":              below(maxMillis),
	"Usage.PromptTokens":             below(chat.MaxTokens),
	"Usage.CompletionTokens":         below(chat.MaxTokens),
	"Usage.TotalTokens":              below(chat.MaxTokens),
	"Problem.Type":                   func(s *jsonschema.Schema) { s.Const = new(any("about:blank")) },
}

// limitsOutput are the limits that hold for what clients get.
var limitsOutput = map[string]bool{"Problem.Type": true}

func atMost(characters int) func(*jsonschema.Schema) {
	return func(s *jsonschema.Schema) { s.MaxLength = &characters }
}

// visible is a text of more than white space.
func visible(characters int) func(*jsonschema.Schema) {
	return func(s *jsonschema.Schema) { s.MinLength, s.MaxLength, s.Pattern = new(1), &characters, `\S` }
}

func items(most int) func(*jsonschema.Schema) {
	return func(s *jsonschema.Schema) { s.MaxItems = &most }
}

func below(most float64) func(*jsonschema.Schema) {
	return func(s *jsonschema.Schema) { s.Maximum = &most }
}

// place is that of a message in its log.
func place(s *jsonschema.Schema) { s.Minimum = new(1.0) }

func tags(s *jsonschema.Schema) {
	s.MaxItems, s.UniqueItems = new(chat.MaxTags), true
	visible(chat.MaxTag)(s.Items)
}

// reactionKey is a name, or one character as people see it, which JSON Schema cannot count:
// a family is seven code points.
func reactionKey(s *jsonschema.Schema) {
	s.Pattern, s.MaxLength = `^(:[A-Za-z0-9_+-]+:|.|[^A-Za-z0-9:]+)$`, new(chat.MaxReactionKey)
}

// shaped is a text of one form.
func shaped(pattern string) func(*jsonschema.Schema) {
	return func(s *jsonschema.Schema) { s.Pattern = pattern }
}

// configured is the name of something in the configuration.
func configured(characters int) func(*jsonschema.Schema) {
	return func(s *jsonschema.Schema) { s.MaxLength, s.Pattern = &characters, `^[A-Za-z0-9_-]+$` }
}

func globs(s *jsonschema.Schema) {
	s.MaxItems, s.UniqueItems = new(chat.MaxToolGlobs), true
	s.Items.MaxLength, s.Items.Pattern = new(chat.MaxToolName), `^[A-Za-z0-9._/:*?-]+$`
}
