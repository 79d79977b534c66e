/* The program of the images that tests make: a web server on port 8000, linked statically, so that its image holds nothing else.
 *
 * POST /init is counted; POST /invoke answers with what there is to see; every other request is answered with its first line.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <arpa/inet.h>
#include <sys/socket.h>

static int initialized;
static int argument_count;
static char **arguments;

static void answer(int client, const char *status, const char *type, const char *body) {
    dprintf(client, "HTTP/1.1 %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n%s", status, type,
            strlen(body), body);
}

static void header(const char *head, const char *name, char *value, size_t room) {
    const char *found = strcasestr(head, name);
    value[0] = 0;
    if (found) {
        snprintf(value, room, "%s", found + strlen(name));
        value[strcspn(value, "\r\n")] = 0;
    }
}

static void invoke(int client, const char *head, const char *event) {
    char body[32768], id[64], name[64], folder[256] = "?";
    if (strstr(event, "fail")) {
        answer(client, "500 Internal Server Error", "text/plain", "it failed as asked");
        return;
    }
    if (strstr(event, "exit")) {
        printf("leaving\n");
        fflush(stdout);
        exit(3);
    }
    header(head, "X-Cff-Request-Id: ", id, sizeof id);
    header(head, "X-Cff-Func-Name: ", name, sizeof name);
    if (!getcwd(folder, sizeof folder)) {
        snprintf(folder, sizeof folder, "none");
    }
    FILE *scratch = fopen("/tmp/x", "w");
    FILE *root = fopen("/x", "w");
    printf("invoked\n");
    fflush(stdout);
    snprintf(body, sizeof body,
             "{\"event\": %s, \"id\": \"%s\", \"name\": \"%s\", \"uid\": %d, \"gid\": %d, \"cwd\": \"%s\", \"initialized\": %d, "
             "\"argument\": \"%s\", \"own\": \"%s\", \"mood\": \"%s\", \"handler\": \"%s\", \"tmp\": %d, \"root\": %d, \"usr\": %d}",
             event, id, name, getuid(), getgid(), folder, initialized, argument_count > 1 ? arguments[1] : "",
             getenv("OWN") ? getenv("OWN") : "", getenv("MOOD") ? getenv("MOOD") : "",
             getenv("RUNTIME_HANDLER") ? getenv("RUNTIME_HANDLER") : "", scratch != NULL, root != NULL, access("/usr", F_OK) == 0);
    answer(client, "200 OK", "application/json", body);
}

static void serve(int client) {
    static char head[32768];
    size_t length = 0, wanted = 0;
    char *event = NULL;
    while (!event || strlen(event) < wanted) {
        ssize_t more = read(client, head + length, sizeof head - 1 - length);
        if (more <= 0) {
            return;
        }
        length += more;
        head[length] = 0;
        if (!event && (event = strstr(head, "\r\n\r\n"))) {
            char size[16];
            event += 4;
            header(head, "Content-Length: ", size, sizeof size);
            wanted = strtoul(size, NULL, 10);
        }
    }
    if (!strncmp(head, "POST /init ", 11)) {
        initialized++;
        answer(client, "200 OK", "text/plain", "");
    } else if (!strncmp(head, "POST /invoke ", 13)) {
        invoke(client, head, event);
    } else {
        head[strcspn(head, "\r\n")] = 0;
        answer(client, "200 OK", "text/plain", head);
    }
}

int main(int count, char **values) {
    argument_count = count;
    arguments = values;
    if (count > 1 && !strcmp(values[1], "leave")) {
        fprintf(stderr, "no wish to serve\n");
        return 7;
    }
    if (count > 1 && !strcmp(values[1], "sleep")) {
        sleep(1000);
    }
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(8000)};
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    if (bind(listener, (struct sockaddr *)&address, sizeof address) || listen(listener, 64)) {
        perror("listen");
        return 1;
    }
    for (;;) {
        int client = accept(listener, NULL, NULL);
        if (client >= 0) {
            serve(client);
            close(client);
        }
    }
}
