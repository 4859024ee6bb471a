package ingest

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/crmwatch/crmwatch/ingest/record"
)

// HeadSize is how much of an input Recognise wants to see, in bytes.
const HeadSize = 256 << 10

// Kind is what an input was recognised as.
type Kind struct {
	format   Format // of CSV; JSON is recognised object by object
	comma    byte
	header   []string
	apply    MapRow
	document bool
}

// String is the kind for people: "Salesforce CSV", "JSON lines".
func (k Kind) String() string {
	switch {
	case k.apply != nil:
		return k.format.Name + " CSV"
	case k.document:
		return "JSON document"
	default:
		return "JSON lines"
	}
}

// Recognise decides by the content what an input is, given its beginning
// without compression: by the header row or by the keys of its objects, never
// by its name, which is only for the error. Input without content is JSON
// without a record.
func Recognise(head []byte, name string, formats []Format) (Kind, error) {
	head = bytes.TrimPrefix(head, bom)
	if err := foreign(head); err != nil {
		return Kind{}, fmt.Errorf("recognise %s: %w", name, err)
	}
	if k, found, err := recogniseCSV(head, formats); err != nil {
		return Kind{}, fmt.Errorf("recognise %s: line 1: %w", name, err)
	} else if found {
		return k, nil
	}
	if document := isDocument(head); isJSON(head, formats, document) {
		return Kind{document: document}, nil
	}
	return Kind{}, fmt.Errorf("recognise %s: line 1 is of no known kind; expected %s", name, strings.Join(expectations(formats), ", or "))
}

func expectations(formats []Format) []string {
	var all []string
	for _, f := range formats {
		all = append(all, f.Expect...)
	}
	return all
}

var (
	bom       = []byte("\xEF\xBB\xBF")
	gzipMagic = []byte{0x1f, 0x8b}
)

// foreign names what people try and what can be told from the first bytes.
func foreign(head []byte) error {
	switch {
	case bytes.HasPrefix(head, []byte("PK\x03\x04")):
		return errors.New("it is a ZIP archive or an Excel workbook; unpack it, or save it as CSV in UTF-8")
	case bytes.HasPrefix(head, []byte{0xFF, 0xFE}), bytes.HasPrefix(head, []byte{0xFE, 0xFF}):
		return errors.New("it is UTF-16; convert it, for example with iconv -f UTF-16 -t UTF-8")
	}
	return nil
}

// recogniseCSV tries the first row as a header with each of the separators that
// spreadsheets write.
func recogniseCSV(head []byte, formats []Format) (k Kind, found bool, err error) {
	for _, comma := range []byte{',', ';', '\t'} {
		rec, err := record.NewCSV(bytes.NewReader(head), comma).Next()
		if err != nil || rec.Problem != "" {
			continue
		}
		header, ok := record.Fields(nil, string(rec.Data), comma)
		if !ok {
			continue
		}
		for _, f := range formats {
			if f.Columns == nil {
				continue
			}
			apply, err := f.Columns(header)
			if err != nil {
				return Kind{}, false, err
			}
			if apply != nil && (!utf8.Valid(rec.Data) || bytes.IndexByte(rec.Data, 0) >= 0) {
				return Kind{}, false, errors.New("the header is not UTF-8; convert the file, for example with iconv -f GB18030 -t UTF-8")
			}
			if apply != nil {
				return Kind{format: f, comma: comma, header: header, apply: apply}, true, nil
			}
		}
	}
	return Kind{}, false, nil
}

// isJSON reports whether a format claims one of the objects in head, or there
// is nothing in it.
func isJSON(head []byte, formats []Format, document bool) bool {
	r := newJSONReader(bytes.NewReader(head), formats, document)
	for n := 0; ; n++ {
		rec, err := r.split()
		if err != nil {
			return n == 0
		}
		keys := record.AppendKeys(nil, rec.Data)
		for _, o := range r.objects {
			if o.format.Claims(keys) {
				return true
			}
		}
	}
}

// isDocument reports whether JSON has to be cut by its structure, because its
// lines are not its records: an array, the answer to a query, or an object over
// several lines.
func isDocument(head []byte) bool {
	head = bytes.TrimSpace(bytes.TrimPrefix(head, bom))
	if bytes.HasPrefix(head, []byte("[")) || record.IsEnvelope(head) {
		return true
	}
	line, rest, more := bytes.Cut(head, []byte("\n"))
	rest = bytes.TrimSpace(rest)
	return more && bytes.HasPrefix(head, []byte("{")) && !record.Complete(line) && !bytes.HasPrefix(rest, []byte("{"))
}

// Open recognises what r is, gzip included, and returns what reads it. The name
// is only for errors.
func Open(r io.Reader, name string, formats []Format) (*Reader, Kind, error) {
	in, head, err := peekHead(r)
	if err != nil {
		return nil, Kind{}, fmt.Errorf("read %s: %w", name, err)
	}
	k, err := Recognise(head, name, formats)
	if err != nil {
		return nil, Kind{}, err
	}
	if k.apply != nil {
		return newCSVReader(in, k), k, nil
	}
	return newJSONReader(in, formats, k.document), k, nil
}

// peekHead takes compression and byte order mark away and returns what follows,
// and its beginning.
func peekHead(r io.Reader) (io.Reader, []byte, error) {
	in := bufio.NewReaderSize(r, HeadSize)
	if magic, _ := in.Peek(len(gzipMagic)); bytes.Equal(magic, gzipMagic) {
		unzipped, err := gzip.NewReader(in)
		if err != nil {
			return nil, nil, fmt.Errorf("decompress: %w", err)
		}
		in = bufio.NewReaderSize(unzipReader{unzipped}, HeadSize)
	}
	if mark, _ := in.Peek(len(bom)); bytes.Equal(mark, bom) {
		if _, err := in.Discard(len(bom)); err != nil {
			return nil, nil, err
		}
	}
	head, err := in.Peek(HeadSize)
	if err != nil && !errors.Is(err, io.EOF) && len(head) == 0 {
		return nil, nil, err
	}
	return in, head, nil
}

// unzipReader says of an error that it is about the compression.
type unzipReader struct{ r io.Reader }

func (u unzipReader) Read(p []byte) (int, error) {
	n, err := u.r.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		err = fmt.Errorf("decompress: %w (was the file copied whole?)", err)
	}
	return n, err
}
