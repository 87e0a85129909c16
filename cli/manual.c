/* manual.c: one table, four forms. */
#include "manual.h"

#include <stdio.h>
#include <string.h>

#include "option_table.h"
#include "tessera.h"

/* ---- the manual page ---- */

/* Text for roff: no hyphens that look like minus, no line that is taken for a request. */
static void put_roff(const char *s)
{
    if (*s == '.' || *s == '\'')
        fputs("\\&", stdout);
    for (; *s; s++)
        if (*s == '-')
            fputs("\\-", stdout);
        else if (*s == '\\')
            fputs("\\e", stdout);
        else
            putchar(*s);
}

static void put_names(int commands)
{
    const char *comma = "";
    for (size_t i = 0; i < n_verbs; i++)
        if (commands & (int)verb_table[i].cmd) {
            printf("%s%s", comma, verb_table[i].name);
            comma = ", ";
        }
}

static void man_option(const opt *o)
{
    printf(".TP\n");
    if (o->letter)
        printf("\\fB\\-%c\\fR, ", o->letter);
    printf("\\fB\\-\\-");
    put_roff(o->name);
    printf("\\fR");
    if (o->arg) {
        printf(" \\fI");
        put_roff(o->arg);
        printf("\\fR");
    }
    putchar('\n');
    put_roff(o->help);
    printf("\n.br\nOf: ");
    put_names(o->commands);
    printf(".\n");
}

static void print_man(void)
{
    printf(".TH TESSERA 1 \"\" \"tessera %s\" \"User Commands\"\n.SH NAME\n", tessera_version());
    printf("tessera \\- see, hear and read with Gemma 4 models on your own machine\n.SH SYNOPSIS\n");
    for (size_t i = 0; i < n_verbs; i++) {
        printf("%s.B tessera %s\n", i ? ".br\n" : "", verb_table[i].name);
        put_roff(verb_table[i].usage);
        putchar('\n');
    }
    printf(".SH DESCRIPTION\nA FILE's kind is found from its bytes; '\\-' is standard input. Results go to standard output, all "
           "else to standard error.\n.SH COMMANDS\n");
    for (size_t i = 0; i < n_verbs; i++) {
        printf(".TP\n.B %s\n", verb_table[i].name);
        put_roff(verb_table[i].help);
        putchar('\n');
    }
    printf(".SH OPTIONS\n");
    for (size_t i = 0; i < n_options; i++)
        man_option(&option_table[i]);
    printf(".SH EXIT STATUS\n");
    put_roff(exit_codes);
    printf("\n.SH ENVIRONMENT\n.TP\n.B NO_COLOR\nno colors on a terminal.\n"
           ".TP\n.BR HF_HUB_CACHE \", \" HF_HOME \", \" XDG_CACHE_HOME\nwhere hf:ORG/REPO and \\fBtessera models\\fR look.\n");
}

/* ---- completions ---- */

/* Options of one command between spaces, with their dashes. */
static void put_options(const verb *v)
{
    for (size_t i = 0; i < n_options; i++)
        if (option_table[i].commands & (int)v->cmd)
            printf(" --%s", option_table[i].name);
}

static void put_verbs(void)
{
    for (size_t i = 0; i < n_verbs; i++)
        printf("%s%s", i ? " " : "", verb_table[i].name);
}

/* Two rows of one name, of different commands, have the values of both. */
static void bash_values(void)
{
    for (size_t i = 0; i < n_options; i++) {
        const char *values = option_values(&option_table[i]);
        if (!values)
            continue;
        for (size_t k = 0; k < n_verbs; k++)
            if (option_table[i].commands & (int)verb_table[k].cmd)
                printf("        %s:--%s) COMPREPLY=($(compgen -W '%s' -- \"$cur\")); return ;;\n", verb_table[k].name,
                       option_table[i].name, values);
    }
}

static void print_bash(void)
{
    printf("# bash completion for tessera: eval \"$(tessera completions bash)\"\n_tessera() {\n"
           "    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} verb=${COMP_WORDS[1]}\n"
           "    if [ \"$COMP_CWORD\" -eq 1 ]; then COMPREPLY=($(compgen -W '");
    put_verbs();
    printf("' -- \"$cur\")); return; fi\n    case \"$verb:$prev\" in\n");
    bash_values();
    printf("        completions:*) COMPREPLY=($(compgen -W 'bash zsh fish man' -- \"$cur\")); return ;;\n    esac\n"
           "    if [[ $cur == -* ]]; then\n        case \"$verb\" in\n");
    for (size_t i = 0; i < n_verbs; i++) {
        printf("            %s) COMPREPLY=($(compgen -W '", verb_table[i].name);
        put_options(&verb_table[i]);
        printf("' -- \"$cur\")) ;;\n");
    }
    printf("        esac\n        return\n    fi\n    COMPREPLY=($(compgen -f -- \"$cur\"))\n}\n"
           "complete -o filenames -F _tessera tessera\n");
}

/* In single quotes: what ends them, and in zsh's and fish's texts what means something there. */
static void put_quoted(const char *s, const char *escaped)
{
    for (; *s; s++)
        if (*s == '\'')
            fputs("'\\''", stdout);
        else if (strchr(escaped, *s))
            printf("\\%c", *s);
        else
            putchar(*s);
}

static void zsh_option(const opt *o)
{
    const char *values = option_values(o);
    printf(" \\\n            '--%s%s[", o->name, o->arg ? "=" : "");
    put_quoted(o->help, "[]:\\");
    printf("]");
    if (o->arg) {
        printf(":");
        put_quoted(o->arg, "[]:\\");
        printf(":");
        if (values)
            printf("(%s)", values);
        else
            printf("_files");
    }
    printf("'");
}

static void print_zsh(void)
{
    printf("#compdef tessera\n# zsh completion for tessera: tessera completions zsh > ~/.zfunc/_tessera\n_tessera() {\n"
           "    if (( CURRENT == 2 )); then\n        local -a verbs=(\n");
    for (size_t i = 0; i < n_verbs; i++) {
        printf("            '%s:", verb_table[i].name);
        put_quoted(verb_table[i].help, ":\\");
        printf("'\n");
    }
    printf("        )\n        _describe command verbs\n        return\n    fi\n    local verb=$words[2]\n    shift words\n"
           "    (( CURRENT-- ))\n    case $verb in\n");
    for (size_t k = 0; k < n_verbs; k++) {
        printf("        %s) _arguments", verb_table[k].name);
        for (size_t i = 0; i < n_options; i++)
            if (option_table[i].commands & (int)verb_table[k].cmd)
                zsh_option(&option_table[i]);
        printf(" \\\n            '*:file:%s' ;;\n", verb_table[k].cmd == CMD_COMPLETIONS ? "(bash zsh fish man)" : "_files");
    }
    printf("    esac\n}\ncompdef _tessera tessera\n");
}

static void fish_option(const opt *o)
{
    const char *values = option_values(o);
    printf("complete -c tessera -n '__fish_seen_subcommand_from");
    for (size_t k = 0; k < n_verbs; k++)
        if (o->commands & (int)verb_table[k].cmd)
            printf(" %s", verb_table[k].name);
    printf("' -l %s", o->name);
    if (o->letter)
        printf(" -s %c", o->letter);
    if (values)
        printf(" -x -a '%s'", values);
    else if (o->arg)
        printf(" -r");
    printf(" -d '");
    for (const char *s = o->help; *s; s++) /* fish knows \' within quotes */
        printf(*s == '\'' || *s == '\\' ? "\\%c" : "%c", *s);
    printf("'\n");
}

static void print_fish(void)
{
    printf("# fish completion for tessera: tessera completions fish > ~/.config/fish/completions/tessera.fish\n");
    for (size_t i = 0; i < n_verbs; i++)
        printf("complete -c tessera -f -n __fish_use_subcommand -a %s -d \"%s\"\n", verb_table[i].name, verb_table[i].help);
    for (size_t i = 0; i < n_options; i++)
        fish_option(&option_table[i]);
    printf("complete -c tessera -x -n '__fish_seen_subcommand_from completions' -a 'bash zsh fish man'\n");
}

bool manual_print(const char *what)
{
    static const struct {
        const char *name;
        void (*print)(void);
    } forms[] = {{"bash", print_bash}, {"zsh", print_zsh}, {"fish", print_fish}, {"man", print_man}};
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++)
        if (strcmp(what, forms[i].name) == 0) {
            forms[i].print();
            return true;
        }
    return false;
}
