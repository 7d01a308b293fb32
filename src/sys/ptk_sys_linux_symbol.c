/* SPDX-License-Identifier: MIT */
/*
 * Names of code addresses on Linux.
 *
 * The dynamic linker names exported symbols alone. Static functions stand in the symbol table of the file of
 * the module, which is not mapped: it is read here, piece by piece, and the last names are kept. The path of
 * the program is /proc/self/exe, or the one that it was executed by where /proc is missing. A file that is
 * not the one that is mapped, because it was replaced, has other program headers or another build ID; it is
 * not used. Where there is no name, because the file is stripped or cannot be opened, the offset in the
 * module remains, which addr2line and llvm-symbolizer take.
 *
 * Nothing is allocated, and all buffers are static, because a caller may be out of memory or on a small
 * stack. One caller at a time uses them; a second one that comes meanwhile, be it a signal handler, gets the
 * offset alone.
 */
#include "sys/ptk_sys_linux.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <link.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

#define SYMBOL_PIECE_BYTES   ((size_t) 8192)
#define SYMBOL_NAMES         64                                        /* that are kept */
#define SYMBOL_SECTIONS_MAX  (SYMBOL_PIECE_BYTES / sizeof(ElfW(Shdr))) /* a file with more is not searched */
#define SYMBOL_COMPARE_BYTES ((size_t) 1024)

/* The module that holds an address. */
typedef struct symbol_module {
    uintptr_t address;
    uintptr_t base; /* what was added to the addresses of its file */
    const char *path;
    const ElfW(Phdr) * headers;
    size_t header_count;
    unsigned long long generation; /* changes when modules come and go */
    bool is_found;
} symbol_module_t;

/* A name that was found, or that there is none (an empty one), for a range of addresses. */
typedef struct symbol_name {
    uintptr_t begin;
    uintptr_t end; /* 0: not used */
    char text[PTK_SYS_NAME_BYTES];
} symbol_name_t;

/* What one caller at a time uses. */
static struct symbol_state {
    atomic_flag is_taken;
    unsigned long long generation; /* of the names */
    unsigned next;                 /* is overwritten next */
    symbol_name_t names[SYMBOL_NAMES];
    union {
        char bytes[SYMBOL_PIECE_BYTES];
        ElfW(Ehdr) header;
        ElfW(Shdr) sections[SYMBOL_SECTIONS_MAX];
        ElfW(Sym) symbols[SYMBOL_PIECE_BYTES / sizeof(ElfW(Sym))];
    } piece;
} symbol_state = {.is_taken = ATOMIC_FLAG_INIT};

/* --- modules --- */

/* Called for each module that is mapped, with the dynamic linker's lock held. */
static int symbol_look_into(struct dl_phdr_info *info, size_t bytes, void *context) {
    symbol_module_t *module = context;
    (void) bytes;
    for (size_t i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *header = &info->dlpi_phdr[i];
        if (header->p_type == PT_LOAD &&
            module->address - (info->dlpi_addr + header->p_vaddr) < header->p_memsz) {
            module->base = info->dlpi_addr;
            module->path = info->dlpi_name;
            module->headers = info->dlpi_phdr;
            module->header_count = info->dlpi_phnum;
            module->generation = info->dlpi_adds + info->dlpi_subs;
            module->is_found = true;
            return 1;
        }
    }
    return 0;
}

/* Returns the path that the program was executed by, NULL if the system does not state it. */
static const char *symbol_program_path(void) {
    return (const char *) getauxval(
        AT_EXECFN); /* NOLINT(performance-no-int-to-ptr): an address of the system */
}

/* --- the file of a module --- */

/* Reads a part of the file. Returns false if it is not there. */
static bool symbol_read(int file, uintptr_t offset, void *buffer, size_t bytes) {
    return pread(file, buffer, bytes, (off_t) offset) == (ssize_t) bytes;
}

/* Compares a part of the file with the memory, up to SYMBOL_COMPARE_BYTES. */
static bool symbol_is_mapped_here(int file, uintptr_t offset, const void *memory, size_t bytes) {
    size_t count = bytes < SYMBOL_COMPARE_BYTES ? bytes : SYMBOL_COMPARE_BYTES;
    return symbol_read(file, offset, symbol_state.piece.bytes, count) &&
           memcmp(symbol_state.piece.bytes, memory, count) == 0;
}

/* Returns whether the file is the one that is mapped: its program headers and its notes, which have the build
 * ID, are those in memory. */
static bool symbol_is_same_file(int file, const symbol_module_t *module, const ElfW(Ehdr) * header) {
    const ElfW(Phdr) *headers = module->headers;
    size_t count = module->header_count;
    if (header->e_phnum != count || header->e_phentsize != sizeof *headers ||
        !symbol_is_mapped_here(file, header->e_phoff, headers, count * sizeof *headers)) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        const void *memory =
            (const void *) (module->base + headers[i].p_vaddr); /* NOLINT(performance-no-int-to-ptr) */
        if (headers[i].p_type == PT_NOTE &&
            !symbol_is_mapped_here(file, headers[i].p_offset, memory, headers[i].p_filesz)) {
            return false;
        }
    }
    return true;
}

/* Reads the header of a file that is the module's. */
static bool symbol_read_header(int file, const symbol_module_t *module, ElfW(Ehdr) * header_out) {
    return symbol_read(file, 0, header_out, sizeof *header_out) &&
           memcmp(header_out->e_ident, ELFMAG, SELFMAG) == 0 &&
           header_out->e_shentsize == sizeof(ElfW(Shdr)) && header_out->e_shnum <= SYMBOL_SECTIONS_MAX &&
           symbol_is_same_file(file, module, header_out);
}

/* Opens one path. Returns the descriptor with the header read, or -1. */
static int symbol_try_file(const char *path, const symbol_module_t *module, ElfW(Ehdr) * header_out) {
    int file = path && strchr(path, '/') ? open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK) : -1;
    file = ptk_sys_above_standard(file);
    if (file >= 0 && !symbol_read_header(file, module, header_out)) {
        close(file);
        file = -1;
    }
    return file;
}

/* Opens the module's file. The program itself has no path in the dynamic linker's list. */
static int symbol_open(const symbol_module_t *module, ElfW(Ehdr) * header_out) {
    if (module->path && module->path[0] != '\0') {
        return symbol_try_file(module->path, module, header_out);
    }
    int file = symbol_try_file("/proc/self/exe", module, header_out);
    return file >= 0 ? file : symbol_try_file(symbol_program_path(), module, header_out);
}

/* Reads one section header. */
static bool symbol_read_section(int file, const ElfW(Ehdr) * header, size_t index, ElfW(Shdr) * section_out) {
    return index < header->e_shnum &&
           symbol_read(file, header->e_shoff + index * sizeof *section_out, section_out, sizeof *section_out);
}

/* Finds the symbol table. Returns false if the file is stripped. */
static bool symbol_find_table(int file, const ElfW(Ehdr) * header, ElfW(Shdr) * table_out) {
    const ElfW(Shdr) *sections = symbol_state.piece.sections;
    size_t count = header->e_shnum;
    if (!symbol_read(file, header->e_shoff, symbol_state.piece.sections, count * sizeof *sections)) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        if (sections[i].sh_type == SHT_SYMTAB && sections[i].sh_entsize == sizeof(ElfW(Sym))) {
            *table_out = sections[i];
            return true;
        }
    }
    return false;
}

/* Returns whether an address of the file belongs to a function. */
static bool symbol_covers(const ElfW(Sym) * symbol, uintptr_t address) {
    return (symbol->st_info & 15) == STT_FUNC && symbol->st_shndx != SHN_UNDEF &&
           address - symbol->st_value < symbol->st_size;
}

/* Finds the function that covers an address of the file. */
static bool symbol_find_function(int file, const ElfW(Shdr) * table, uintptr_t address,
                                 ElfW(Sym) * symbol_out) {
    const size_t room = sizeof symbol_state.piece.symbols / sizeof(ElfW(Sym));
    size_t left = table->sh_size / sizeof(ElfW(Sym));
    for (uintptr_t offset = table->sh_offset; left > 0; offset += room * sizeof(ElfW(Sym))) {
        size_t count = left < room ? left : room;
        left -= count;
        if (!symbol_read(file, offset, symbol_state.piece.symbols, count * sizeof(ElfW(Sym)))) {
            return false;
        }
        for (size_t i = 0; i < count; i++) {
            if (symbol_covers(&symbol_state.piece.symbols[i], address)) {
                *symbol_out = symbol_state.piece.symbols[i];
                return true;
            }
        }
    }
    return false;
}

/* Reads the function's name; one that is too long is cut. The end of the table may be nearer than the room
 * for a name. */
static bool symbol_read_name(int file, const ElfW(Shdr) * strings, const ElfW(Sym) * symbol, char *text_out) {
    ssize_t got =
        pread(file, text_out, PTK_SYS_NAME_BYTES - 1, (off_t) (strings->sh_offset + symbol->st_name));
    text_out[got > 0 ? got : 0] = '\0';
    return text_out[0] != '\0';
}

/* Looks the address up in the module's file and writes its function's range and name. */
static bool symbol_search_file(const symbol_module_t *module, symbol_name_t *name_out) {
    ElfW(Ehdr) header;
    ElfW(Shdr) table;
    ElfW(Shdr) strings;
    ElfW(Sym) symbol;
    int file = symbol_open(module, &header);
    if (file < 0) {
        return false;
    }
    bool is_found = symbol_find_table(file, &header, &table) &&
                    symbol_read_section(file, &header, table.sh_link, &strings) &&
                    symbol_find_function(file, &table, module->address - module->base, &symbol) &&
                    symbol_read_name(file, &strings, &symbol, name_out->text);
    close(file);
    if (is_found) {
        name_out->begin = module->base + symbol.st_value;
        name_out->end = name_out->begin + symbol.st_size;
    }
    return is_found;
}

/* --- names that are kept --- */

/* Returns the name that is kept for an address, NULL if there is none. */
static const symbol_name_t *symbol_find_kept(const symbol_module_t *module) {
    if (symbol_state.generation != module->generation) {
        symbol_state.generation = module->generation;
        memset(symbol_state.names, 0, sizeof symbol_state.names);
    }
    for (size_t i = 0; i < SYMBOL_NAMES; i++) {
        const symbol_name_t *name = &symbol_state.names[i];
        if (module->address >= name->begin && module->address < name->end) {
            return name;
        }
    }
    return NULL;
}

/* Returns the name of an address, kept or looked up. That there is none is kept for this address alone. */
static const symbol_name_t *symbol_find_name(const symbol_module_t *module) {
    const symbol_name_t *kept = symbol_find_kept(module);
    if (kept) {
        return kept;
    }
    symbol_name_t *name = &symbol_state.names[symbol_state.next++ % SYMBOL_NAMES];
    if (!symbol_search_file(module, name)) {
        *name = (symbol_name_t) {.begin = module->address, .end = module->address + 1};
    }
    return name;
}

/* Fills in the name from the file of the module. */
static void symbol_name_static(const symbol_module_t *module, ptk_sys_symbol_t *symbol_out) {
    if (atomic_flag_test_and_set(&symbol_state.is_taken)) {
        return;
    }
    const symbol_name_t *name = symbol_find_name(module);
    if (name->text[0] != '\0') {
        memcpy(symbol_out->text, name->text, sizeof symbol_out->text);
        symbol_out->name = symbol_out->text;
        symbol_out->offset = module->address - name->begin;
    }
    atomic_flag_clear(&symbol_state.is_taken);
}

/* --- the call --- */

/* Writes what the dynamic linker reports. */
static void symbol_name_exported(const void *address, ptk_sys_symbol_t *symbol_out) {
    Dl_info info;
    if (dladdr(address, &info)) {
        symbol_out->module = info.dli_fname;
        symbol_out->name = info.dli_sname;
        symbol_out->offset = info.dli_sname ? (uintptr_t) address - (uintptr_t) info.dli_saddr : 0;
    }
}

bool ptk_sys_linux_symbolize(const void *address, ptk_sys_symbol_t *symbol_out) {
    int saved_errno = errno;
    symbol_module_t module = {.address = (uintptr_t) address};
    *symbol_out = (ptk_sys_symbol_t) {.module = NULL};
    if (dl_iterate_phdr(symbol_look_into, &module) == 0) {
        return false;
    }
    symbol_name_exported(address, symbol_out);
    symbol_out->module_offset = module.address - module.base;
    if (!symbol_out->module) { /* a static program has no dynamic linker */
        symbol_out->module = module.path && module.path[0] != '\0' ? module.path : symbol_program_path();
    }
    if (!symbol_out->name) {
        symbol_name_static(&module, symbol_out);
    }
    errno = saved_errno;
    return true;
}
