package slacktest

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// object is a part of a message: a block, an element or a text.
type object = map[string]any

// checkBlocks returns what Block Kit has against the blocks, or nothing
// (https://docs.slack.dev/reference/block-kit/blocks). Lengths are characters.
func checkBlocks(blocks []object) string {
	if len(blocks) > 50 {
		return fmt.Sprintf("%d blocks", len(blocks))
	}
	ids := map[string]bool{}
	for i, b := range blocks {
		if id, ok := b["block_id"].(string); ok {
			if ids[id] || len(id) > 255 {
				return fmt.Sprintf("block %d: its id is not unique or too long", i)
			}
			ids[id] = true
		}
		if problem := checkBlock(b); problem != "" {
			return fmt.Sprintf("block %d (%v): %s", i, b["type"], problem)
		}
	}
	return ""
}

func checkBlock(b object) string {
	switch b["type"] {
	case "header":
		return checkText(b["text"], 150, "plain_text")
	case "section":
		return checkSection(b)
	case "context":
		return checkEach(b["elements"], 10, func(e object) string { return checkText(e, 3000, "plain_text", "mrkdwn") })
	case "actions":
		actions := map[any]bool{}
		return checkEach(b["elements"], 25, func(e object) string {
			if actions[e["action_id"]] {
				return "an action_id is there twice"
			}
			actions[e["action_id"]] = true
			return checkButton(e)
		})
	case "rich_text":
		return checkEach(b["elements"], 1000, checkRich)
	case "divider":
		return ""
	default:
		return "unknown type"
	}
}

func checkSection(b object) string {
	if b["text"] == nil && b["fields"] == nil {
		return "neither text nor fields"
	}
	if b["text"] != nil {
		if problem := checkText(b["text"], 3000, "plain_text", "mrkdwn"); problem != "" {
			return problem
		}
	}
	if b["fields"] == nil {
		return ""
	}
	return checkEach(b["fields"], 10, func(f object) string { return checkText(f, 2000, "plain_text", "mrkdwn") })
}

func checkEach(v any, most int, check func(object) string) string {
	list, ok := v.([]any)
	if !ok || len(list) == 0 || len(list) > most {
		return fmt.Sprintf("not a list of 1 to %d", most)
	}
	for i, e := range list {
		o, ok := e.(object)
		if !ok {
			return fmt.Sprintf("element %d is no object", i)
		}
		if problem := check(o); problem != "" {
			return fmt.Sprintf("element %d: %s", i, problem)
		}
	}
	return ""
}

func checkText(v any, most int, types ...string) string {
	t, ok := v.(object)
	if !ok {
		return "no text object"
	}
	text, _ := t["text"].(string)
	if n := utf8.RuneCountInString(text); n < 1 || n > most {
		return fmt.Sprintf("a text of %d characters, not 1 to %d", n, most)
	}
	if t["type"] == "mrkdwn" && t["emoji"] != nil {
		return "mrkdwn with emoji"
	}
	for _, allowed := range types {
		if t["type"] == allowed {
			return ""
		}
	}
	return fmt.Sprintf("a text of type %v", t["type"])
}

func checkButton(e object) string {
	value, _ := e["value"].(string)
	action, _ := e["action_id"].(string)
	style, styled := e["style"]
	switch {
	case e["type"] != "button":
		return "no button"
	case utf8.RuneCountInString(value) > 2000:
		return "the value is too long"
	case action == "" || utf8.RuneCountInString(action) > 255:
		return "the action_id is missing or too long"
	case styled && style != "danger" && style != "primary":
		return "unknown style"
	}
	if confirm, ok := e["confirm"].(object); ok {
		for name, most := range map[string]int{"title": 100, "text": 300, "confirm": 30, "deny": 30} {
			if problem := checkText(confirm[name], most, "plain_text"); problem != "" {
				return name + " of the dialogue: " + problem
			}
		}
	}
	return checkText(e["text"], 75, "plain_text")
}

// checkRich checks an element of a rich_text block.
func checkRich(e object) string {
	switch e["type"] {
	case "rich_text_list":
		if e["style"] != "bullet" && e["style"] != "ordered" {
			return "a list without style"
		}
		return checkEach(e["elements"], 1000, checkRich)
	case "rich_text_section":
		return checkEach(e["elements"], 1000, checkRich)
	case "text":
		if text, _ := e["text"].(string); text == "" {
			return "an empty text"
		}
		return ""
	case "link":
		if url, _ := e["url"].(string); !strings.HasPrefix(url, "http") || len(url) > 3000 {
			return "a link to nowhere"
		}
		return ""
	default:
		return fmt.Sprintf("unknown element %v", e["type"])
	}
}
