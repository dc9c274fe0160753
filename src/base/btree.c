// SPDX-License-Identifier: Apache-2.0
//
// The B+tree.
//
// A node is 512 bytes: its neighbours, its count, then heads, rows and, of an inner node, children
// as columns, so that a search reads little beside heads. An inner node has an entry a child, a
// copy of the first entry below it (T2); so a record that an inner node names is always one that
// is in, and is never stale. Nodes are known by number; 0 is none.
#include "base/btree.h"

#include "os/memory.h"

#define NODE_SIZE 512u
#define LEAF_MAX  40u
#define INNER_MAX 30u

struct node {
    u32 previous; // On the same level.
    u32 next;     // Likewise; of a node given back, the next of those.
    u16 count;
    u16 level; // 0: a leaf.
    u32 reserved;
    u64 columns[(NODE_SIZE - 16) / sizeof(u64)];
};
static_assert(sizeof(struct node) == NODE_SIZE, "eight cache lines");
static_assert(LEAF_MAX * 12 <= NODE_SIZE - 16 && INNER_MAX * 16 <= NODE_SIZE - 16, "they fit");

struct entry {
    u64 head;
    u32 row;
    u32 child; // Of an inner node.
};

// What is looked for.
struct key {
    const void *record;
    u64 head;
    u64 row; // Above all rows: behind every equal record.
};

// The way to an entry: on each level a node, and which of its entries.
struct path {
    struct {
        u32 node;
        u32 index;
    } steps[BTREE_LEVELS_MAX];
};

static struct node *node_at(const struct btree *tree, u32 number)
{
    return (struct node *)(void *)(tree->nodes + (u64)number * NODE_SIZE);
}

static u32 capacity_of(const struct node *node)
{
    return node->level == 0 ? LEAF_MAX : INNER_MAX;
}

static u32 *rows_of(struct node *node)
{
    return (u32 *)(void *)(node->columns + capacity_of(node));
}

static u32 *children_of(struct node *node)
{
    assert(node->level > 0);
    return rows_of(node) + INNER_MAX;
}

static const void *record_at(const struct btree *tree, u32 row)
{
    return tree->records + row * tree->record_size;
}

static struct key key_of(const struct btree *tree, u32 row)
{
    const void *record = record_at(tree, row);
    return (struct key){.record = record, .head = tree->order->head(record), .row = row};
}

static struct entry entry_get(struct node *node, u32 index)
{
    assert(index < node->count);
    return (struct entry){.head = node->columns[index],
                          .row = rows_of(node)[index],
                          .child = node->level == 0 ? 0 : children_of(node)[index]};
}

static void entry_set(struct node *node, u32 index, const struct entry *entry)
{
    node->columns[index] = entry->head;
    rows_of(node)[index] = entry->row;
    if (node->level > 0) children_of(node)[index] = entry->child;
}

// --- nodes ---------------------------------------------------------------------------------------

static u32 node_new(struct btree *tree, u32 level)
{
    u32 number = tree->node_free;
    if (number != 0) {
        tree->node_free = node_at(tree, number)->next;
    } else {
        assert(tree->node_count + 1 < tree->node_max); // T3: there are enough for all rows.
        number = ++tree->node_count;
    }
    struct node *node = node_at(tree, number);
    node->previous = 0;
    node->next = 0;
    node->count = 0;
    node->level = (u16)level;
    return number;
}

// Gives a node back, which its neighbours forget.
static void node_drop(struct btree *tree, u32 number)
{
    struct node *node = node_at(tree, number);
    if (node->previous != 0) node_at(tree, node->previous)->next = node->next;
    if (node->next != 0) node_at(tree, node->next)->previous = node->previous;
    node->next = tree->node_free;
    tree->node_free = number;
}

// A new node behind another one of its level.
static u32 node_new_behind(struct btree *tree, u32 left_number)
{
    struct node *left = node_at(tree, left_number);
    const u32 number = node_new(tree, left->level);
    struct node *node = node_at(tree, number);
    node->previous = left_number;
    node->next = left->next;
    if (left->next != 0) node_at(tree, left->next)->previous = number;
    left->next = number;
    return number;
}

// Moves `count` entries, which may overlap with where they go.
static void entries_move(struct node *to, u32 to_index, struct node *from, u32 from_index,
                         u32 count)
{
    memmove(to->columns + to_index, from->columns + from_index, count * sizeof(u64));
    memmove(rows_of(to) + to_index, rows_of(from) + from_index, count * sizeof(u32));
    if (to->level == 0) return;
    memmove(children_of(to) + to_index, children_of(from) + from_index, count * sizeof(u32));
}

static void entry_put(struct node *node, u32 index, const struct entry *entry)
{
    assert(index <= node->count && node->count < capacity_of(node));
    entries_move(node, index + 1, node, index, node->count - index);
    entry_set(node, index, entry);
    node->count++;
}

static void entry_take(struct node *node, u32 index)
{
    assert(index < node->count);
    entries_move(node, index, node, index + 1, node->count - index - 1);
    node->count--;
}

enum status btree_init(struct btree *tree, const struct btree_order *order, const void *records,
                       u64 record_size, u64 row_max, struct failure *failure)
{
    assert(row_max <= BTREE_ROW_MAX);
    memset(tree, 0, sizeof *tree);
    tree->order = order;
    tree->records = records;
    tree->record_size = record_size;
    // Nodes half full, and above each fifteen of them one (T3); on each level one that is less.
    const u64 leaves = row_max / (LEAF_MAX / 2);
    tree->node_max = leaves + leaves / (INNER_MAX / 2 - 1) + 2 * BTREE_LEVELS_MAX;
    void *memory = NULL;
    enum status status = memory_reserve(tree->node_max * NODE_SIZE, true, &memory, failure);
    if (status != STATUS_OK) return status;
    tree->nodes = memory;
    tree->root = node_new(tree, 0);
    tree->height = 1;
    return STATUS_OK;
}

void btree_free(struct btree *tree)
{
    if (tree->nodes != NULL) memory_release(tree->nodes, tree->node_max * NODE_SIZE);
    memset(tree, 0, sizeof *tree);
}

// --- searching -----------------------------------------------------------------------------------

// Whether an entry stands before a key.
static bool is_before(const struct btree *tree, u64 head, u32 row, const struct key *key)
{
    if (head != key->head) return head < key->head;
    const int order =
        tree->order->compare == NULL ? 0 : tree->order->compare(record_at(tree, row), key->record);
    return order != 0 ? order < 0 : row < key->row;
}

// How many entries of a node stand before a key.
static u32 node_search(const struct btree *tree, struct node *node, const struct key *key)
{
    const u32 *rows = rows_of(node);
    u32 low = 0;
    u32 high = node->count;
    while (low < high) {
        const u32 middle = (low + high) / 2;
        if (is_before(tree, node->columns[middle], rows[middle], key)) low = middle + 1;
        else high = middle;
    }
    return low;
}

// The way to where a key stands or would stand: on inner levels the child that has what is before
// it. On the lowest level the index may be behind the leaf's last entry.
static struct path path_to(const struct btree *tree, const struct key *key)
{
    struct path path;
    u32 number = tree->root;
    for (u32 level = tree->height - 1;; level--) {
        struct node *node = node_at(tree, number);
        u32 index = node_search(tree, node, key);
        assert(node->level == level);
        if (level > 0 && index > 0) index--;
        path.steps[level].node = number;
        path.steps[level].index = index;
        if (level == 0) return path;
        number = children_of(node)[index];
    }
}

static struct btree_cursor cursor_to(const struct btree *tree, const struct key *key)
{
    const struct path path = path_to(tree, key);
    struct btree_cursor cursor = {.node = path.steps[0].node, .index = path.steps[0].index};
    const struct node *leaf = node_at(tree, cursor.node);
    if (cursor.index < leaf->count) return cursor;
    return (struct btree_cursor){.node = leaf->next};
}

struct btree_cursor btree_lower(const struct btree *tree, const void *probe)
{
    const struct key key = {.record = probe, .head = tree->order->head(probe)};
    return cursor_to(tree, &key);
}

struct btree_cursor btree_upper(const struct btree *tree, const void *probe)
{
    const struct key key = {.record = probe, .head = tree->order->head(probe), .row = U64_MAX};
    return cursor_to(tree, &key);
}

struct btree_cursor btree_first(const struct btree *tree)
{
    u32 number = tree->root;
    for (u32 level = tree->height - 1; level > 0; level--) {
        number = children_of(node_at(tree, number))[0];
    }
    return (struct btree_cursor){.node = tree->count == 0 ? 0 : number};
}

struct btree_cursor btree_end(void)
{
    return (struct btree_cursor){0};
}

u32 btree_find(const struct btree *tree, const void *probe)
{
    const struct key key = {.record = probe, .head = tree->order->head(probe), .row = U64_MAX};
    const u32 row = btree_row(tree, btree_lower(tree, probe));
    if (row == BTREE_ROW_NONE) return BTREE_ROW_NONE;
    const u64 head = tree->order->head(record_at(tree, row));
    // Not below it; when it stands before what is behind all equal ones, it is equal.
    return is_before(tree, head, row, &key) ? row : BTREE_ROW_NONE;
}

u32 btree_row(const struct btree *tree, struct btree_cursor cursor)
{
    if (cursor.node == 0) return BTREE_ROW_NONE;
    struct node *leaf = node_at(tree, cursor.node);
    assert(cursor.index < leaf->count);
    return rows_of(leaf)[cursor.index];
}

void btree_next(const struct btree *tree, struct btree_cursor *cursor)
{
    if (cursor->node == 0) return;
    const struct node *leaf = node_at(tree, cursor->node);
    if (++cursor->index < leaf->count) return;
    *cursor = (struct btree_cursor){.node = leaf->next};
}

// The last leaf.
static u32 leaf_last(const struct btree *tree)
{
    u32 number = tree->root;
    for (u32 level = tree->height - 1; level > 0; level--) {
        struct node *node = node_at(tree, number);
        number = children_of(node)[node->count - 1];
    }
    return number;
}

bool btree_previous(const struct btree *tree, struct btree_cursor *cursor)
{
    if (tree->count == 0) return false;
    if (cursor->index > 0) {
        cursor->index--;
        return true;
    }
    const u32 before = cursor->node == 0 ? leaf_last(tree) : node_at(tree, cursor->node)->previous;
    if (before == 0) return false;
    *cursor = (struct btree_cursor){.node = before, .index = node_at(tree, before)->count - 1u};
    return true;
}

const u32 *btree_run(const struct btree *tree, struct btree_cursor cursor, u32 *count)
{
    *count = 0;
    if (cursor.node == 0) return NULL;
    struct node *leaf = node_at(tree, cursor.node);
    *count = leaf->count - cursor.index;
    return rows_of(leaf) + cursor.index;
}

// --- changing ------------------------------------------------------------------------------------

// The first entry of the way's node on this level is another one: so it is above (T2).
static void first_changed(struct btree *tree, const struct path *path, u32 level)
{
    const struct entry first = entry_get(node_at(tree, path->steps[level].node), 0);
    for (u32 i = level + 1; i < tree->height; i++) {
        struct node *node = node_at(tree, path->steps[i].node);
        const u32 index = path->steps[i].index;
        node->columns[index] = first.head;
        rows_of(node)[index] = first.row;
        if (index > 0) break;
    }
}

// Parts a full node in two, and puts the entry where it belongs. Returns the new node, the right
// one. Behind the last entry of a level nothing is moved, so that ascending rows fill their nodes.
static u32 node_split(struct btree *tree, u32 number, u32 index, const struct entry *entry)
{
    struct node *left = node_at(tree, number);
    const bool is_last = left->next == 0 && index == left->count;
    const u32 kept = is_last ? left->count : left->count / 2u;
    const u32 right_number = node_new_behind(tree, number);
    struct node *right = node_at(tree, right_number);
    right->count = (u16)(left->count - kept);
    entries_move(right, 0, left, kept, right->count);
    left->count = (u16)kept;
    if (index < kept) entry_put(left, index, entry);
    else entry_put(right, index - kept, entry);
    return right_number;
}

static void root_grow(struct btree *tree, u32 right)
{
    const u32 left = tree->root;
    const u32 number = node_new(tree, tree->height);
    assert(tree->height < BTREE_LEVELS_MAX);
    struct entry entry = entry_get(node_at(tree, left), 0);
    entry.child = left;
    entry_put(node_at(tree, number), 0, &entry);
    entry = entry_get(node_at(tree, right), 0);
    entry.child = right;
    entry_put(node_at(tree, number), 1, &entry);
    tree->root = number;
    tree->height++;
}

void btree_insert(struct btree *tree, u32 row)
{
    const struct key key = key_of(tree, row);
    const struct path path = path_to(tree, &key);
    struct entry entry = {.head = key.head, .row = row};
    assert(row <= BTREE_ROW_MAX);
    tree->count++;
    for (u32 level = 0;; level++) {
        const u32 number = path.steps[level].node;
        struct node *node = node_at(tree, number);
        const u32 index = path.steps[level].index + (level > 0); // Behind the child that was split.
        assert(index == node->count || rows_of(node)[index] != row);
        u32 right = 0;
        if (node->count < capacity_of(node)) entry_put(node, index, &entry);
        else right = node_split(tree, number, index, &entry);
        if (index == 0) first_changed(tree, &path, level);
        if (right == 0) return;
        if (level + 1 == tree->height) {
            root_grow(tree, right);
            return;
        }
        entry = entry_get(node_at(tree, right), 0);
        entry.child = right;
    }
}

// Makes one of two neighbours below `parent`, the children `index` and the one behind it, or shares
// their entries out between them. Returns whether they became one.
static bool nodes_join(struct btree *tree, struct node *parent, u32 index)
{
    const u32 right_number = children_of(parent)[index + 1];
    struct node *left = node_at(tree, children_of(parent)[index]);
    struct node *right = node_at(tree, right_number);
    const u32 total = left->count + right->count;
    assert(left->next == right_number);
    if (total <= capacity_of(left)) {
        entries_move(left, left->count, right, 0, right->count);
        left->count = (u16)total;
        node_drop(tree, right_number);
        entry_take(parent, index + 1);
        return true;
    }
    const u32 kept = total / 2;
    if (left->count < kept) {
        const u32 moved = kept - left->count;
        entries_move(left, left->count, right, 0, moved);
        entries_move(right, 0, right, moved, right->count - moved);
    } else {
        const u32 moved = left->count - kept;
        entries_move(right, moved, right, 0, right->count);
        entries_move(right, 0, left, kept, moved);
    }
    left->count = (u16)kept;
    right->count = (u16)(total - kept);
    struct entry first = entry_get(right, 0);
    first.child = right_number;
    entry_set(parent, index + 1, &first);
    return false;
}

// Mends the nodes of the way that have too few entries now, from the leaf up (T3).
static void path_mend(struct btree *tree, const struct path *path)
{
    for (u32 level = 0; level + 1 < tree->height; level++) {
        const u32 number = path->steps[level].node;
        struct node *node = node_at(tree, number);
        struct node *parent = node_at(tree, path->steps[level + 1].node);
        const u32 index = path->steps[level + 1].index;
        const u32 least = node->next == 0 ? 1 : capacity_of(node) / 2u;
        if (node->count >= least) return;
        if (node->count == 0) { // The last one of its level.
            assert(index + 1 == parent->count);
            node_drop(tree, number);
            entry_take(parent, index);
            continue;
        }
        assert(parent->count > 1); // T3: it is not the last one of its level.
        if (!nodes_join(tree, parent, index + 1 < parent->count ? index : index - 1)) return;
    }
}

void btree_remove(struct btree *tree, u32 row)
{
    struct key key = key_of(tree, row);
    key.row++; // The way to behind it leads through it.
    struct path path = path_to(tree, &key);
    struct node *leaf = node_at(tree, path.steps[0].node);
    const u32 behind = path.steps[0].index;
    assert(behind > 0 && rows_of(leaf)[behind - 1] == row);
    path.steps[0].index = behind - 1;
    entry_take(leaf, behind - 1);
    tree->count--;
    if (behind == 1 && leaf->count > 0) first_changed(tree, &path, 0);
    path_mend(tree, &path);
    while (tree->height > 1 && node_at(tree, tree->root)->count == 1) {
        const u32 child = children_of(node_at(tree, tree->root))[0];
        node_drop(tree, tree->root);
        tree->root = child;
        tree->height--;
    }
}

// --- checking ------------------------------------------------------------------------------------

static void node_check(const struct btree *tree, struct node *node, u32 level)
{
    assert(node->level == level); // T4
    const bool is_root = node == node_at(tree, tree->root);
    const u32 least = is_root ? (level > 0 ? 2 : 0) : node->next == 0 ? 1 : capacity_of(node) / 2u;
    assert(node->count >= least && node->count <= capacity_of(node)); // T3
    for (u32 i = 0; i < node->count; i++) {
        const struct entry entry = entry_get(node, i);
        const struct key key = key_of(tree, entry.row);
        assert(entry.head == key.head);
        if (i > 0) {
            const struct entry before = entry_get(node, i - 1);
            assert(is_before(tree, before.head, before.row, &key)); // T1
        }
        if (level == 0) continue;
        const struct entry first = entry_get(node_at(tree, entry.child), 0);
        assert(first.head == entry.head && first.row == entry.row); // T2
        const u32 next = node_at(tree, entry.child)->next;
        const u32 known = i + 1 < node->count ? children_of(node)[i + 1] : next;
        assert(next == known);
    }
    if (node->next == 0 || node->count == 0) return;
    struct node *next = node_at(tree, node->next);
    const struct entry last = entry_get(node, node->count - 1u);
    const struct key key = key_of(tree, entry_get(next, 0).row);
    assert(is_before(tree, last.head, last.row, &key)); // T1
    assert(node_at(tree, next->previous) == node);
}

void btree_check(const struct btree *tree)
{
    u32 first = tree->root;
    u64 nodes = 0;
    u64 children = 1; // Of the level above.
    for (u32 level = tree->height; level-- > 0;) {
        u64 count = 0;
        u64 entries = 0;
        assert(node_at(tree, first)->previous == 0);
        for (u32 number = first; number != 0; number = node_at(tree, number)->next) {
            node_check(tree, node_at(tree, number), level);
            entries += node_at(tree, number)->count;
            count++;
        }
        assert(count == children); // T4: no node is without a parent.
        nodes += count;
        children = entries;
        if (level > 0) first = children_of(node_at(tree, first))[0];
    }
    assert(children == tree->count);
    u64 spare = 0;
    for (u32 number = tree->node_free; number != 0; number = node_at(tree, number)->next) spare++;
    assert(nodes + spare == tree->node_count);
}
