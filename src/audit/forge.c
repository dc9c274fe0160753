// SPDX-License-Identifier: Apache-2.0
//
// What a forger who knows the format would do.
#include "audit/forge.h"

#include "base/checksum.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#define CHUNK_SIZE MIB

static void must(bool holds, const char *what)
{
    if (holds) return;
    (void)fprintf(stderr, "forging: %s\n", what);
    abort();
}

// Reads a file up to where nothing but zeroes come for CHUNK_SIZE bytes: files have their size from
// the beginning.
static void file_load(struct forge_file *file, const char *folder, const char *name)
{
    (void)snprintf(file->path, sizeof file->path, "%s/%s", folder, name);
    FILE *stream = fopen(file->path, "rbe");
    must(stream != NULL, file->path);
    file->bytes = NULL;
    file->size = 0;
    for (;;) {
        file->bytes = realloc(file->bytes, file->size + CHUNK_SIZE);
        must(file->bytes != NULL, file->path);
        u8 *chunk = file->bytes + file->size;
        const size_t size = fread(chunk, 1, CHUNK_SIZE, stream);
        must(ferror(stream) == 0, file->path);
        if (size == 0 || is_zero(chunk, size)) break;
        file->size += size;
    }
    (void)fclose(stream);
}

// What lies behind is as it was.
static void file_save(struct forge_file *file)
{
    FILE *stream = fopen(file->path, "r+be");
    must(stream != NULL, file->path);
    must(fwrite(file->bytes, 1, file->size, stream) == file->size, file->path);
    must(fclose(stream) == 0, file->path);
    free(file->bytes);
    file->bytes = NULL;
}

void forge_load(struct forge *forge, const char *path)
{
    char newest[256] = "";
    bool is_backup = false;
    DIR *entries = opendir(path);
    must(entries != NULL, path);
    for (const struct dirent *entry = readdir(entries); entry != NULL; entry = readdir(entries)) {
        is_backup |= strcmp(entry->d_name, "backup") == 0;
        if (strncmp(entry->d_name, "checkpoint-0", 12) == 0 && strcmp(entry->d_name, newest) > 0) {
            (void)snprintf(newest, sizeof newest, "%s", entry->d_name);
        }
    }
    (void)closedir(entries);
    file_load(&forge->log, path, "log-00000000");
    file_load(&forge->rows, path, "rows-00000000");
    file_load(&forge->checkpoint, path, newest);
    forge->head = (struct audit_checkpoint_head *)(void *)forge->checkpoint.bytes;
    forge->backup_file = (struct forge_file){0};
    forge->backup = NULL;
    if (!is_backup) return;
    file_load(&forge->backup_file, path, "backup");
    forge->backup = (struct audit_backup_file *)(void *)forge->backup_file.bytes;
}

void forge_save(struct forge *forge)
{
    if (forge->backup != NULL) file_save(&forge->backup_file);
    file_save(&forge->log);
    file_save(&forge->rows);
    file_save(&forge->checkpoint);
}

// --- where things are ----------------------------------------------------------------------------

static struct audit_rows_page *page_at(const struct forge *forge, u64 page)
{
    must((page + 1) * PAGE_SIZE <= forge->rows.size, "no such page of rows");
    return (struct audit_rows_page *)(void *)(forge->rows.bytes + page * PAGE_SIZE);
}

struct audit_row *forge_row(const struct forge *forge, u64 row)
{
    return &page_at(forge, row / AUDIT_PAGE_ROWS)->rows[row % AUDIT_PAGE_ROWS];
}

struct audit_row *forge_row_of(const struct forge *forge, u8 kind, u128 id, bool took_effect)
{
    for (u64 i = 0; i < forge->head->next_row; i++) {
        struct audit_row *row = forge_row(forge, i);
        const bool is_created = row->result == AUDIT_CREATED;
        if (row->kind == kind && (row->id == id || id == 0) && is_created == took_effect)
            return row;
    }
    must(false, "no such row");
    return NULL;
}

struct audit_transfer_record *forge_event(const struct forge *forge, const struct audit_row *row)
{
    return (struct audit_transfer_record *)(void *)(forge->log.bytes + audit_row_place(row));
}

void *forge_record(const struct forge *forge, u32 table, u64 row, size_t size)
{
    for (u32 i = 0; i < forge->head->table_count; i++) {
        const struct audit_table *found = &forge->head->tables[i];
        if (found->id != table) continue;
        must(row < found->record_count, "no such record");
        return forge->checkpoint.bytes + found->page_first * PAGE_SIZE + row * size;
    }
    must(false, "no such table");
    return NULL;
}

struct audit_header *forge_header(const struct forge *forge, u64 sequence)
{
    u64 place = 0;
    for (u64 i = 0;; i++) {
        struct audit_header *header = (struct audit_header *)(void *)(forge->log.bytes + place);
        if (i == sequence) return header;
        must(header->magic == AUDIT_FRAME_MAGIC, "no such frame");
        place += 256 + header->body_size;
    }
}

// --- made right again ----------------------------------------------------------------------------

void forge_seal_rows(struct forge *forge)
{
    for (u64 i = 0; i * PAGE_SIZE < forge->rows.size; i++) {
        struct audit_rows_page *page = page_at(forge, i);
        if (page->magic != AUDIT_ROWS_MAGIC) continue;
        page->checksum = checksum(&page->magic, sizeof *page - 16);
    }
}

void forge_seal_backup(struct forge *forge)
{
    struct audit_backup_file *file = forge->backup;
    file->checksum = checksum(&file->magic, sizeof *file - 16);
}

struct audit_tree_leaf *forge_leaves(const struct forge *forge)
{
    const struct audit_checkpoint_head *head = forge->head;
    must(head->outcomes.count < AUDIT_TREE_LEAVES, "more than a page of the tree");
    return (struct audit_tree_leaf *)(void *)(forge->checkpoint.bytes +
                                              head->lists_page * PAGE_SIZE +
                                              (u64)head->segment_count * 16);
}

void forge_seal_checkpoint(struct forge *forge)
{
    struct audit_checkpoint_head *head = forge->head;
    const u64 lists_at = head->lists_page * PAGE_SIZE;
    const u64 lists_size = (u64)head->segment_count * 16 + head->outcomes.count %
                                                               AUDIT_TREE_LEAVES *
                                                               sizeof(struct audit_tree_leaf);
    if (lists_at < forge->checkpoint.size && lists_size <= forge->checkpoint.size - lists_at) {
        sha256(forge->checkpoint.bytes + lists_at, lists_size, &head->lists_digest);
    }
    struct sha256_state state;
    sha256_begin(&state);
    sha256_update(&state, &head->position, 16);
    sha256_update(&state, &head->next_row, 8);
    sha256_update(&state, &head->account_timestamp_max, 48);
    u8 *digests = forge->checkpoint.bytes + head->digests_page * PAGE_SIZE;
    for (u32 i = 0; i < head->table_count; i++) {
        struct audit_table *table = &head->tables[i];
        struct merkle_range range = {0};
        for (u64 page = 0; page < table->page_count; page++) {
            struct digest digest;
            sha256(forge->checkpoint.bytes + (table->page_first + page) * PAGE_SIZE, PAGE_SIZE,
                   &digest);
            merkle_range_append(&range, &digest, NULL);
            memcpy(digests, &digest, sizeof digest);
            digests += sizeof digest;
        }
        merkle_range_root(&range, &table->root);
        const u64 id = table->id;
        sha256_update(&state, &id, sizeof id);
        sha256_update(&state, &table->root, sizeof table->root);
    }
    sha256_end(&state, &head->state);
    head->checksum = checksum(&head->magic, sizeof *head - 16);
}

static void body_seal(struct audit_header *header)
{
    struct digest digests[1 + AUDIT_FRAME_SIZE_MAX / AUDIT_CHUNK_SIZE];
    const u8 *bytes = (const u8 *)header;
    const u64 size = 256 + header->body_size;
    const u64 head = align_up(256 * (1 + (u64)header->command_count), PAGE_SIZE);
    sha256(bytes + 256, head - 256, &digests[0]);
    sha256_chunks(bytes + head, size - head, AUDIT_CHUNK_SIZE, digests + 1);
    merkle_root(digests, 1 + (size - head + AUDIT_CHUNK_SIZE - 1) / AUDIT_CHUNK_SIZE,
                &header->body_digest);
}

// Whether a row is one of the frame's: its place says so, or it hangs on the row before.
static bool row_is_of(const struct audit_row *row, const struct audit_header *header)
{
    const u64 place = audit_row_place(row);
    const bool hangs = row->kind == AUDIT_ROW_DEBITS || row->kind == AUDIT_ROW_CREDITS ||
                       row->kind == AUDIT_ROW_EVIDENCE;
    return hangs || (row->kind != AUDIT_ROW_PADDING && place >= header->place &&
                     place < header->place + 256 + header->body_size);
}

void forge_seal(struct forge *forge)
{
    struct audit_checkpoint_head *head = forge->head;
    struct digest *roots = calloc(head->sequence, sizeof *roots);
    struct digest *leaves = calloc(head->next_row, sizeof *leaves);
    must(roots != NULL && leaves != NULL, "no memory");
    struct merkle_range range = {0};
    struct audit_tree_leaf *leaves_of = forge_leaves(forge);
    struct digest previous = {0};
    u64 row = 0;
    for (u64 i = 0; i < head->sequence; i++) {
        struct audit_header *header = forge_header(forge, i);
        u64 count = 0;
        u64 end_row = row; // Without the padding behind it.
        for (; row < head->next_row; row++) {
            const struct audit_row *next = forge_row(forge, row);
            if (row_is_of(next, header)) {
                merkle_leaves(next, AUDIT_LEAF_SIZE, sizeof *next, 1, &leaves[count++]);
                end_row = row + 1;
            } else if (next->kind != AUDIT_ROW_PADDING) {
                break;
            }
        }
        if (count > 0) {
            struct digest root;
            merkle_root(leaves, count, &root);
            merkle_range_append(&range, &root, NULL);
            leaves_of[range.count - 1] =
                (struct audit_tree_leaf){.root = root, .end_row = end_row, .place = header->place};
        }
        merkle_range_root(&range, &roots[i]);
        if ((header->flags & (AUDIT_FRAME_GENESIS | AUDIT_FRAME_OWNER)) == 0) {
            header->outcome_root = roots[header->outcome_sequence];
        }
        body_seal(header);
        header->previous = previous;
        header->checksum = checksum(&header->magic, sizeof *header - 16);
        sha256(header, sizeof *header, &previous);
    }
    head->previous = previous;
    head->outcomes = range;
    forge_seal_rows(forge);
    forge_seal_checkpoint(forge);
    free(roots);
    free(leaves);
}
