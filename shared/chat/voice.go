package chat

import "time"

// Limits of a voice message.
const (
	MaxVoice    = 15 * time.Minute
	MaxWaveform = 256 // bytes
)

// A Voice says that the one attachment of a message is speech, which is its content.
type Voice struct {
	Duration time.Duration // millisecond precision
	Waveform []byte        // how loud it is from beginning to end, a byte for each piece; nil: not given
}

func (v *Voice) check(f *Faults, attachments []Attachment) {
	if v == nil {
		return
	}
	if v.Duration <= 0 || v.Duration > MaxVoice {
		f.Add("voice.durationMs", "must be 1 to %d", MaxVoice.Milliseconds())
	}
	if len(v.Waveform) > MaxWaveform {
		f.Add("voice.waveform", "must be at most %d bytes", MaxWaveform)
	}
	if len(attachments) != 1 || len(UploadsOf(attachments)) != 1 {
		f.Add("voice", "needs one attachment, which was uploaded here")
	}
}

// ErrVoice is why an upload cannot be a voice message.
var ErrVoice = Invalid("voice", "needs an attachment of audio")
