package sqs

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// The query protocol, which SDKs spoke before AWS JSON 1.0 (boto3 until 1.28):
// a form in, XML out. The form is made into the JSON of the same action, and
// the JSON of the answer into XML.

const (
	formType       = "application/x-www-form-urlencoded"
	queryNamespace = "http://queue.amazonaws.com/doc/2012-11-05/"
	// maxListIndex bounds the N of "AttributeName.N".
	maxListIndex = 1000
)

var errUnsigned = &apiError{"", "MissingAuthenticationToken", http.StatusForbidden, "Request is missing Authentication Token"}

// isSigned reports whether a request has the header of a signature. A page of
// another origin cannot send one, though it can send a form.
func isSigned(r *http.Request) bool {
	return strings.HasPrefix(r.Header.Get("Authorization"), "AWS4-HMAC-SHA256 ")
}

// fromForm returns the action of a form and its input as JSON.
func fromForm(r *http.Request, body []byte) (action string, input []byte, err error) {
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return "", nil, &apiError{"", "MalformedInput", 400, "The request is not a form."}
	}
	flat := map[string]string{}
	for name, values := range form {
		if !utf8.ValidString(values[0]) {
			return "", nil, errContents
		}
		flat[name] = values[0]
	}
	members, err := formMembers(flat)
	if err != nil {
		return "", nil, err
	}
	// The queue may be named by the path alone.
	if _, ok := members["QueueUrl"]; !ok && strings.Count(r.URL.Path, "/") > 1 {
		members["QueueUrl"] = r.URL.Path
	}
	input, err = json.Marshal(members)
	return flat["Action"], input, err
}

// formMembers makes members of fields such as "DelaySeconds",
// "AttributeName.1", "MessageAttribute.1.Value.DataType" and, of a batch,
// "SendMessageBatchRequestEntry.1.Id".
func formMembers(fields map[string]string) (map[string]any, error) {
	members, lists := map[string]any{}, map[string]map[int]map[string]string{}
	for field, value := range fields {
		name, rest, nested := strings.Cut(field, ".")
		if !nested {
			if isNumber(name) {
				n, err := strconv.Atoi(value)
				if err != nil {
					return nil, invalidValue("Value %s for parameter %s is invalid.", value, name)
				}
				members[name] = n
			} else {
				members[name] = value
			}
			continue
		}
		index, rest, _ := strings.Cut(rest, ".")
		n, err := strconv.Atoi(index)
		if err != nil || n < 1 || n > maxListIndex {
			return nil, invalidValue("%s is not an index of the list %s.", index, name)
		}
		if lists[name] == nil {
			lists[name] = map[int]map[string]string{}
		}
		if lists[name][n] == nil {
			lists[name][n] = map[string]string{}
		}
		lists[name][n][rest] = value
	}
	for name, items := range lists {
		if err := addList(members, name, items); err != nil {
			return nil, err
		}
	}
	return members, nil
}

func isNumber(name string) bool {
	switch name {
	case "DelaySeconds", "MaxNumberOfMessages", "VisibilityTimeout", "WaitTimeSeconds":
		return true
	}
	return false
}

func addList(members map[string]any, name string, items map[int]map[string]string) error {
	var list []any
	attributes := map[string]any{}
	for _, n := range slices.Sorted(maps.Keys(items)) {
		item := items[n]
		switch {
		case name == "MessageAttribute":
			value := map[string]string{}
			for field, text := range item {
				if inner, ok := strings.CutPrefix(field, "Value."); ok {
					value[inner] = text
				}
			}
			attributes[item["Name"]] = value
		case strings.HasSuffix(name, "BatchRequestEntry"):
			for field := range item {
				if strings.Contains(field, "BatchRequestEntry.") {
					return invalidValue("A batch entry cannot have batch entries.")
				}
			}
			entry, err := formMembers(item)
			if err != nil {
				return err
			}
			list = append(list, entry)
		default:
			list = append(list, item[""])
		}
	}
	switch {
	case name == "MessageAttribute":
		members["MessageAttributes"] = attributes
	case strings.HasSuffix(name, "BatchRequestEntry"):
		members["Entries"] = list
	default:
		members[name+"s"] = list
	}
	return nil
}

// writeQuery answers in XML.
func writeQuery(w http.ResponseWriter, action, requestID string, response any) error {
	text, err := json.Marshal(response)
	if err != nil {
		return err
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	var members map[string]any
	if err := decoder.Decode(&members); err != nil {
		return err
	}
	x := xmlWriter{action: action}
	x.b.WriteString(`<?xml version="1.0"?><` + action + `Response xmlns="` + queryNamespace + `">`)
	if len(members) > 0 {
		x.object(action+"Result", members)
	}
	x.b.WriteString(`<ResponseMetadata>`)
	x.text("RequestId", requestID)
	x.b.WriteString(`</ResponseMetadata></` + action + `Response>`)
	w.Header().Set("Content-Type", "text/xml")
	_, _ = w.Write(x.b.Bytes())
	return nil
}

func writeQueryError(w http.ResponseWriter, requestID string, e *apiError) {
	var x xmlWriter
	x.b.WriteString(`<?xml version="1.0"?><ErrorResponse xmlns="` + queryNamespace + `"><Error>`)
	x.text("Type", e.fault())
	x.text("Code", e.queryCode)
	x.text("Message", e.message)
	x.b.WriteString(`<Detail/></Error>`)
	x.text("RequestId", requestID)
	x.b.WriteString(`</ErrorResponse>`)
	w.Header().Set("Content-Type", "text/xml")
	w.WriteHeader(e.status)
	_, _ = w.Write(x.b.Bytes())
}

// An xmlWriter writes JSON values as the query protocol does: the elements of a
// list one beside the other under a name of their own, maps as lists of names
// and values.
type xmlWriter struct {
	b      bytes.Buffer
	action string
}

func (x *xmlWriter) text(name, value string) {
	x.b.WriteString("<" + name + ">")
	_ = xml.EscapeText(&x.b, []byte(value)) // a buffer takes everything
	x.b.WriteString("</" + name + ">")
}

func (x *xmlWriter) object(name string, members map[string]any) {
	x.b.WriteString("<" + name + ">")
	for _, key := range slices.Sorted(maps.Keys(members)) {
		x.value(key, members[key])
	}
	x.b.WriteString("</" + name + ">")
}

func (x *xmlWriter) value(key string, value any) {
	switch v := value.(type) {
	case map[string]any:
		if key != "Attributes" && key != "MessageAttributes" {
			x.object(key, v)
			return
		}
		for _, name := range slices.Sorted(maps.Keys(v)) {
			x.b.WriteString("<" + strings.TrimSuffix(key, "s") + ">")
			x.text("Name", name)
			x.value("Value", v[name])
			x.b.WriteString("</" + strings.TrimSuffix(key, "s") + ">")
		}
	case []any:
		element := strings.TrimSuffix(key, "s")
		switch key {
		case "Successful":
			element = x.action + "ResultEntry"
		case "Failed":
			element = "BatchResultErrorEntry"
		}
		for _, item := range v {
			x.value(element, item)
		}
	case string:
		x.text(key, v)
	case json.Number:
		x.text(key, v.String())
	case bool:
		x.text(key, strconv.FormatBool(v))
	}
}
