#include <stdio.h>
#include <string.h>

#include <yaml.h>

#include "base/assert.h"
#include "server/config.h"

/* Sections within sections: rtc.congestion_control.enabled is the deepest that LiveKit has. */
#define DEPTH_MAX 4
#define KEY_LEN_MAX 128

struct loader {
    struct config *config;
    struct config_error *error;
    const char *name;
    yaml_document_t document;
};

static bool fail_at(const struct loader *l, const yaml_mark_t *mark, const char *what, const char *why) {
    (void)snprintf(l->error->text, sizeof l->error->text, "%s, line %zu: %s %s", l->name, mark->line + 1, what, why);
    return false;
}

static void origin_of(const struct loader *l, const yaml_node_t *node, char *out, size_t size) {
    (void)snprintf(out, size, "%s, line %zu", l->name, node->start_mark.line + 1);
}

/* A scalar without zero bytes inside; empty and null read as "". */
static const char *scalar_text(const yaml_node_t *node) {
    if (node->type != YAML_SCALAR_NODE)
        return NULL;
    const char *text = (const char *)node->data.scalar.value;
    if (strlen(text) != node->data.scalar.length)
        return NULL;
    bool plain = node->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    return plain && (strcmp(text, "null") == 0 || strcmp(text, "~") == 0) ? "" : text;
}

static bool load_keys(struct loader *l, yaml_node_t *map) {
    if (map->type == YAML_SCALAR_NODE && scalar_text(map) != NULL && scalar_text(map)[0] == 0)
        return true;
    if (map->type != YAML_MAPPING_NODE)
        return fail_at(l, &map->start_mark, "API keys", "must be written as \"name: secret\" (mind the space)");
    for (yaml_node_pair_t *p = map->data.mapping.pairs.start; p < map->data.mapping.pairs.top; p++) {
        yaml_node_t *key = yaml_document_get_node(&l->document, p->key);
        yaml_node_t *secret = yaml_document_get_node(&l->document, p->value);
        char origin[160];
        origin_of(l, key, origin, sizeof origin);
        if (scalar_text(key) == NULL || scalar_text(secret) == NULL)
            return fail_at(l, &key->start_mark, "keys", "must be pairs of texts");
        if (!config_add_key(l->config, origin, scalar_text(key), scalar_text(secret), l->error))
            return false;
    }
    return true;
}

static bool load_list(struct loader *l, const char *key, yaml_node_t *node) {
    char origin[160];
    origin_of(l, node, origin, sizeof origin);
    if (node->type == YAML_SCALAR_NODE && scalar_text(node) != NULL)
        return config_set(l->config, origin, key, scalar_text(node), l->error);
    if (node->type != YAML_SEQUENCE_NODE)
        return fail_at(l, &node->start_mark, key, "must be a list");
    uint32_t index = 0;
    for (yaml_node_item_t *i = node->data.sequence.items.start; i < node->data.sequence.items.top; i++) {
        yaml_node_t *item = yaml_document_get_node(&l->document, *i);
        const char *text = scalar_text(item);
        if (text == NULL)
            return fail_at(l, &item->start_mark, key, "must be a list of texts");
        /* LiveKit writes rtc.ips and rtc.interfaces as {includes, excludes} or lists; only lists are taken here */
        if (!config_set_item(l->config, origin, key, index++, text, l->error))
            return false;
    }
    return true;
}

/* One entry of a section, whose full name is `key`. The nesting is bounded by DEPTH_MAX, so the recursion is. */
static bool load_section(struct loader *l, const char *prefix, yaml_node_t *map, int depth);

static bool load_entry(struct loader *l, const char *key, yaml_node_t *at, yaml_node_t *value, int depth) {
    char origin[160];
    switch (config_kind_of(key)) {
    case CONFIG_KEYS:
        return load_keys(l, value);
    case CONFIG_LIST:
        return load_list(l, key, value);
    case CONFIG_SECTION:
        return load_section(l, key, value, depth + 1);
    case CONFIG_SCALAR:
        if (scalar_text(value) == NULL)
            return fail_at(l, &value->start_mark, key, "must be one value");
        origin_of(l, value, origin, sizeof origin);
        return config_set(l->config, origin, key, scalar_text(value), l->error);
    case CONFIG_UNKNOWN:
        break;
    }
    const char *nearest = config_nearest(key);
    char why[192];
    (void)snprintf(why, sizeof why, "is not a setting%s%s%s", nearest != NULL ? "; did you mean " : "",
                   nearest != NULL ? nearest : "", nearest != NULL ? "?" : "");
    return fail_at(l, &at->start_mark, key, why);
}

static bool load_section(struct loader *l, const char *prefix, yaml_node_t *map, int depth) {
    if (map->type == YAML_SCALAR_NODE && scalar_text(map) != NULL && scalar_text(map)[0] == 0)
        return true; /* a section with everything commented out */
    if (map->type != YAML_MAPPING_NODE || depth > DEPTH_MAX)
        return fail_at(l, &map->start_mark, prefix[0] != 0 ? prefix : "the file", "must be a list of \"name: value\"");
    for (yaml_node_pair_t *p = map->data.mapping.pairs.start; p < map->data.mapping.pairs.top; p++) {
        yaml_node_t *name = yaml_document_get_node(&l->document, p->key);
        yaml_node_t *value = yaml_document_get_node(&l->document, p->value);
        const char *text = scalar_text(name);
        char key[KEY_LEN_MAX];
        struct writer w = writer_of(key, sizeof key);
        wr_str(&w, prefix);
        wr_str(&w, prefix[0] != 0 ? "." : "");
        wr_str(&w, text != NULL ? text : "");
        wr_u8(&w, 0);
        if (text == NULL || !writer_ok(&w))
            return fail_at(l, &name->start_mark, "a name", "is too long or no text");
        if (!load_entry(l, key, name, value, depth))
            return false;
    }
    return true;
}

static bool load_document(struct loader *l, struct span text, bool keys_only) {
    yaml_parser_t parser;
    ASSERT(yaml_parser_initialize(&parser) == 1);
    yaml_parser_set_input_string(&parser, text.data, text.len);
    bool ok = yaml_parser_load(&parser, &l->document) == 1;
    if (!ok) {
        const char *problem = parser.problem != NULL ? parser.problem : "cannot be read";
        (void)fail_at(l, &parser.problem_mark, "this is not YAML:", problem);
    } else {
        yaml_node_t *root = yaml_document_get_root_node(&l->document);
        if (root != NULL)
            ok = keys_only ? load_keys(l, root) : load_section(l, "", root, 0);
        yaml_document_delete(&l->document);
    }
    yaml_parser_delete(&parser);
    return ok;
}

static bool load(struct config *config, const char *name, struct span text, struct config_error *error,
                 bool keys_only) {
    struct loader l = {.config = config, .error = error, .name = name};
    if (text.len > CONFIG_FILE_LEN_MAX) {
        (void)snprintf(error->text, sizeof error->text, "%s is longer than %u bytes", name, CONFIG_FILE_LEN_MAX);
        return false;
    }
    return load_document(&l, text, keys_only);
}

bool config_load_text(struct config *config, const char *name, struct span text, struct config_error *error) {
    return load(config, name, text, error, false);
}

bool config_load_keys(struct config *config, const char *name, struct span text, struct config_error *error) {
    return load(config, name, text, error, true);
}
