package salesforce

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/crmwatch/crmwatch/event"
	"github.com/crmwatch/crmwatch/ingest"
)

// objects maps the JSON objects of one input.
func objects() ingest.MapObject {
	m := &mapper{fields: newFields(64)}
	names := map[string]string{}
	return func(data []byte, e *event.Event) error { return m.object(data, names, e) }
}

func (m *mapper) object(data []byte, names map[string]string, e *event.Event) error {
	m.fields.reset()
	if nestedDeeper(data, event.MaxDepth) {
		return ingest.Reject("", event.TooDeep, "the record is nested too deep; it is not one that Salesforce writes")
	}
	if err := m.fields.read(data, names); err != nil {
		return err
	}
	if m.fields.has("ERROR_CODE") && !m.fields.known() {
		return ingest.Reject("", ingest.NotAnEvent, "the record is an error that the Salesforce API answered; repeat the query")
	}
	if err := m.event(e); err != nil {
		return err
	}
	var raw bytes.Buffer
	if err := json.Compact(&raw, data); err != nil {
		return badJSON()
	}
	if raw.Len() > event.MaxRaw {
		return tooLarge()
	}
	e.Raw = raw.String()
	if e.ID = m.fields.ownID(); e.ID == "" {
		m.sorted = m.fields.sorted()
		e.ID = m.contentID()
	}
	return nil
}

func nestedDeeper(data []byte, limit int) bool {
	depth, inString := 0, false
	for i := 0; i < len(data); i++ {
		switch c := data[i]; {
		case inString && c == '\\':
			i++
		case c == '"':
			inString = !inString
		case inString:
		case c == '{' || c == '[':
			if depth++; depth > limit {
				return true
			}
		case c == '}' || c == ']':
			depth--
		}
	}
	return false
}

func badJSON() error {
	return ingest.Reject("", event.BadJSON, "the record is not a JSON object by RFC 8259; write it again with a JSON encoder")
}

// read reads an object. Objects within it become paths, "CREATED_BY.NAME",
// except for those that only wrap the event on its way.
func (f *fields) read(data []byte, names map[string]string) error {
	dec := jsontext.NewDecoder(bytes.NewBuffer(data))
	if err := f.readObject(dec, "", names); err != nil {
		return explain(err)
	}
	for _, v := range f.values {
		if strings.IndexByte(v, 0) >= 0 {
			return ingest.Reject("", ingest.NULByte, "the record holds a NUL character; remove it")
		}
	}
	return nil
}

func explain(err error) error {
	if errors.Is(err, jsontext.ErrDuplicateName) {
		return ingest.Reject("", event.DuplicateKey, "the record has the same key twice, and readers disagree which of the two counts; remove one")
	}
	return badJSON()
}

func (f *fields) readObject(dec *jsontext.Decoder, path string, names map[string]string) error {
	if dec.PeekKind() != '{' {
		return errors.New("no object")
	}
	if _, err := dec.ReadToken(); err != nil {
		return err
	}
	for dec.PeekKind() != '}' {
		key, err := dec.ReadToken()
		if err != nil {
			return err
		}
		if err := f.readMember(dec, path, f.name(key.String(), names), names); err != nil {
			return err
		}
	}
	_, err := dec.ReadToken()
	return err
}

// name is canonical, remembering what it has seen: the keys of one input are
// the same in every object, unless somebody makes them up.
func (f *fields) name(key string, names map[string]string) string {
	name, ok := names[key]
	if !ok {
		name = canonical(key)
		if len(names) < 4096 {
			names[key] = name
		}
	}
	return name
}

func (f *fields) readMember(dec *jsontext.Decoder, path, name string, names map[string]string) error {
	switch dec.PeekKind() {
	case '{':
		return f.readNested(dec, path, name, names)
	case '[':
		v, err := dec.ReadValue()
		f.set(path+name, string(v))
		return err
	default:
	}
	token, err := dec.ReadToken()
	if err != nil {
		return err
	}
	value := token.String()
	if token.Kind() == 'n' {
		value = ""
	}
	if slices.Contains(avroTypes, name) && path != "" {
		f.set(strings.TrimSuffix(path, "."), value)
	}
	f.set(path+name, value)
	return nil
}

// avroTypes are the keys that a nullable value has in the JSON form of Avro, in
// which the Pub/Sub API delivers events: {"UserId":{"string":"005…"}}.
var avroTypes = []string{"STRING", "LONG", "INT", "DOUBLE", "BOOLEAN"}

func (f *fields) readNested(dec *jsontext.Decoder, path, name string, names map[string]string) error {
	if path == "" && (name == "PAYLOAD" || name == "DATA") {
		return f.readObject(dec, "", names)
	}
	return f.readObject(dec, path+name+".", names)
}
