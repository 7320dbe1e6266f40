package contract

import (
	"reflect"
	"time"

	"github.com/google/jsonschema-go/jsonschema"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/protocol"
)

const ofUploads = "Uploads"

// photo is what the user uploads, and spoken what they say aloud.
var (
	photo = chat.Upload{
		ID: "upl_6f1c2a9e0b7d4f38a5c1e2d3b4a59687", ConversationID: conversation.ID, By: user, Name: "parcel.jpg", Type: "image/jpeg", Size: 482133, CreatedAt: asked,
	}
	spoken = protocol.MessageInput{
		ConversationID: conversation.ID, ClientMessageID: "c-2", Attachments: []chat.Attachment{"document:upl_0d9f8e7c6b5a49382716a5b4c3d2e1f0"},
		Voice: &protocol.Voice{DurationMs: 4200, Waveform: []byte{3, 40, 120, 200, 90, 12}},
	}
)

const photoURL = "https://files.s3.eu-west-1.amazonaws.com/upl_6f1c2a9e0b7d4f38a5c1e2d3b4a59687?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Signature=0f3c"

func photoInput() protocol.MessageInput {
	in := questionInput()
	in.Attachments = []chat.Attachment{photo.ID.Attachment()}
	return in
}

func uploadRoutes() []route {
	link := chat.Link{URL: photoURL, Headers: map[string]string{"content-type": photo.Type, "if-none-match": "*", "x-amz-tagging": "state=pending"}}
	return []route{
		{
			method: "POST", path: "/uploads", id: "createUpload", tag: ofUploads, summary: "Upload a file",
			description: "Answers where to put its bytes, and what it is attached by then: within 24 hours, by its uploader, to one message of this conversation. It takes exactly so many bytes of that type, once. 403 where the operator has switched uploads off, 429 over the quota of a day.",
			body:        reflect.TypeFor[protocol.CreateUpload](),
			bodies:      map[string]any{"a photo": protocol.CreateUpload{ConversationID: conversation.ID, Name: photo.Name, Type: photo.Type, Size: photo.Size}},
			answers:     []answerOf{{status: 201, description: "Where to put it.", body: reflect.TypeFor[protocol.Upload](), example: protocol.UploadOf(photo, link), created: true}},
			codes:       []chat.Code{chat.Forbidden, chat.NotFound, chat.ConversationClosed},
		}, {
			method: "GET", path: "/documents/{id}", id: "getDocument", tag: ofUploads, summary: "Read what was uploaded",
			description: "Answers where its bytes are, which need no token, for five minutes. Before it is attached only its uploader may ask, then everybody in the conversation, and nobody once its message is deleted, or has it no more. Documents of other services are not here. Each answer has another link, so there is nothing to ask with `If-None-Match` for.",
			parameters:  append([]parameter{pathParameter("id", reflect.TypeFor[chat.UploadID](), "The document, without `document:`.", string(photo.ID))}, getHeaders...),
			answers: []answerOf{
				{status: 200, description: "Where it is.", body: reflect.TypeFor[protocol.DocumentLink](), example: protocol.DocumentLinkOf(photo, photoURL, answered.Add(5*time.Minute))},
				notModified,
			},
			codes: []chat.Code{chat.NotFound, chat.Forbidden},
		},
	}
}

// uploadLimits are those of what is uploaded.
var uploadLimits = map[string]func(*jsonschema.Schema){
	"CreateUpload.Name": func(s *jsonschema.Schema) {
		s.MinLength, s.MaxLength, s.Pattern = new(1), new(chat.MaxUploadName), `^[^/\\]+$`
	},
	"CreateUpload.Type": func(s *jsonschema.Schema) { s.Examples = mediaTypes() },
	"CreateUpload.Size": func(s *jsonschema.Schema) { s.Minimum, s.Maximum = new(1.0), new(float64(chat.MaxUpload)) },
	"Voice.DurationMs": func(s *jsonschema.Schema) {
		s.Minimum, s.Maximum = new(1.0), new(float64(chat.MaxVoice.Milliseconds()))
	},
	"Voice.Waveform": shaped(waveform),
}

// waveform is base64 of at most chat.MaxWaveform bytes, 256: 85 times three, and one.
const waveform = `^(([A-Za-z0-9+/]{4}){0,85}([A-Za-z0-9+/]{2}==)?|([A-Za-z0-9+/]{4}){0,84}[A-Za-z0-9+/]{3}=)$`

// spokenHas is what else a message has that is spoken.
var spokenHas = map[string]*jsonschema.Schema{"voice": {
	Required: []string{"attachments"},
	Properties: map[string]*jsonschema.Schema{"attachments": {
		MinItems: new(1), MaxItems: new(1), Items: &jsonschema.Schema{Pattern: `^document:upl_[0-9a-f]{32}$`},
	}},
}}

func mediaTypes() (all []any) {
	for _, t := range chat.UploadTypes() {
		all = append(all, t)
	}
	return all
}
