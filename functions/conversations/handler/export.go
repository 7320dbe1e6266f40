package handler

import (
	"context"
	"net/http"
	"net/url"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/export"
	"aiwm-chat/shared/gateway"
)

// export answers a page of the whole conversation, which is all pages one behind the other.
// Each looks again whether the caller takes part: who is removed meanwhile gets no more.
func (h *Handler) export(ctx context.Context, r *gateway.HTTPRequest) (gateway.HTTPResponse, error) {
	id, err := pathID(r)
	if err != nil {
		return gateway.HTTPResponse{}, err
	}
	format, from, err := exportQuery(r)
	if err != nil {
		return gateway.HTTPResponse{}, err
	}
	if err := r.Allow(ctx, chat.UseExport); err != nil {
		return gateway.HTTPResponse{}, err
	}
	c, err := h.store.Conversation(ctx, r.Principal, id)
	if err != nil {
		return gateway.HTTPResponse{}, err
	}
	var page []byte
	var next *export.Cursor
	if from == nil {
		page, next, err = export.First(ctx, h.store, c, format)
	} else {
		page, next, err = export.Next(ctx, h.store, c, *from)
	}
	if err != nil {
		return gateway.HTTPResponse{}, err
	}
	file := &gateway.File{Media: format.Media(), Name: "conversation-" + string(id) + format.Extension(), Bytes: page}
	if next != nil {
		file.Cursor = next.String()
		file.Next = url.Values{"format": {string(format)}, "cursor": {file.Cursor}}.Encode()
	}
	return gateway.HTTPResponse{Status: http.StatusOK, File: file}, nil
}

func exportQuery(r *gateway.HTTPRequest) (export.Format, *export.Cursor, error) {
	in := r.Query()
	format := export.Format(in.Text("format"))
	cursor := in.Text("cursor")
	if format == "" {
		format = export.NDJSON
	}
	if !format.Valid() {
		in.Refuse("format", "must be ndjson or markdown")
	}
	if cursor == "" {
		return format, nil, in.Err()
	}
	from, err := export.ParseCursor(cursor)
	switch {
	case err != nil:
		in.Refuse("cursor", "%v", err)
	case from.Format != format:
		in.Refuse("cursor", "must be one of the same format")
	}
	return format, &from, in.Err()
}
