package mongostore

import (
	"encoding/base32"

	"golang.org/x/text/collate"
	"golang.org/x/text/language"
)

// maxTitleKey bounds what is stored to sort by title, in bytes before encoding:
// the first hundred characters or so decide, and then the id.
const maxTitleKey = 320

// sortable keeps the order of what it encodes, as text: MongoDB compares binary
// data by length first.
var sortable = base32.HexEncoding.WithPadding(base32.NoPadding)

// titleKey is what a title is sorted by: its weights in the root order of
// Unicode collation, in which case and accents decide last and numbers count as
// numbers. It is stored, because a collation of MongoDB would belong to the
// indexes and to each query, for all fields of them, and the embedded server has
// none.
func titleKey(title string) string {
	var b collate.Buffer // a collator is not for concurrent use, and cheap
	key := collate.New(language.Und, collate.Numeric).KeyFromString(&b, title)
	return sortable.EncodeToString(key[:min(len(key), maxTitleKey)])
}
