/* Options by a table (getopt_long), and how a command ends. */
#include "admin/command.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "admin/heap.h"

#define OPTIONS_MOST 24
#define OPTION_FIRST 256 /* more than any letter is */

static void take(const struct command_option *option, const char *value)
{
    if (option->flag)
        *option->flag = true;
    else if (option->text)
        *option->text = value;
    else
        *heap_add(option->words->list, option->words->count) = value;
}

int command_options(const struct command *command, int argc, char **argv,
                    const struct command_option *options, char ***operands)
{
    struct option known[OPTIONS_MOST + 1] = {{"help", no_argument, NULL, 'h'}};
    char letters[2 * OPTIONS_MOST + 2] = "h";
    size_t length = 1;
    for (size_t i = 0; options[i].name; i++) {
        const struct command_option *option = &options[i];
        known[i + 1] = (struct option){option->name, option->flag ? no_argument : required_argument, NULL,
                                       option->letter ? option->letter : OPTION_FIRST + (int)i};
        if (option->letter)
            letters[length++] = option->letter;
        if (option->letter && !option->flag)
            letters[length++] = ':';
    }
    for (int found; (found = getopt_long(argc, argv, letters, known, NULL)) != -1;) {
        size_t i = 0;
        if (found == 'h')
            return fputs(command->usage, stdout), 0;
        while (options[i].name && found != known[i + 1].val)
            i++;
        if (!options[i].name)
            return command_refuse(command);
        take(&options[i], optarg);
    }
    if (operands) {
        *operands = argv + optind;
    } else if (optind < argc) {
        fprintf(stderr, ADMIN " %s: unexpected argument %s\n", command->word, argv[optind]);
        return command_refuse(command);
    }
    return COMMAND_GO_ON;
}

int command_refuse(const struct command *command)
{
    fputs(command->usage, stderr);
    return command->wrong;
}

int command_read(const char *path, size_t most, const char *what, const char *hint, struct text *text,
                 struct failure *failure)
{
    bool standard = strcmp(path, "-") == 0;
    FILE *in = standard ? stdin : fopen(path, "re");
    size_t got = BUFSIZ;
    while (in && got == BUFSIZ && text->length <= most) {
        char *room = heap_need(text_room(text, BUFSIZ));
        got = fread(room, 1, BUFSIZ, in);
        text_grow(text, room + got);
    }
    int problem = !in || ferror(in) ? errno : 0;
    if (in && !standard)
        fclose(in);
    if (problem)
        return failure_set(failure, hint, "%s: %s", path, strerror(problem));
    return text->length > most ? failure_set(failure, hint, "%s: is longer than any %s", path, what) : 0;
}

int command_put(struct text *answer, struct failure *failure)
{
    fputs(heap_text(answer), stdout);
    return say_finish(failure);
}

int command_end(int status, struct failure *failure)
{
    fflush(stdout);
    if (status < 0 && !failure->told && !failure->no_reader)
        failure_print(failure);
    failure_clear(failure);
    return status < 0 ? 1 : status;
}
