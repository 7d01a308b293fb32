/* SPDX-License-Identifier: MIT */
/*
 * libmodbus_server: serves 1,000 entries of each table at 127.0.0.1, one connection after the other, until it
 * is killed. Prints the port that the system chose. Input register A is A + 1, discrete input A is on when A
 * is odd.
 */
#include <modbus.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define ENTRIES 1000

static int open_listener(modbus_t *context) {
    struct sockaddr_in address;
    socklen_t length = sizeof address;
    int listener = modbus_tcp_listen(context, 8);
    if (listener < 0 || getsockname(listener, (struct sockaddr *) &address, &length)) {
        perror("listen");
        exit(EXIT_FAILURE);
    }
    printf("listening on 127.0.0.1:%d\n", ntohs(address.sin_port));
    fflush(stdout);
    return listener;
}

static void serve(modbus_t *context, modbus_mapping_t *mapping) {
    uint8_t request[MODBUS_TCP_MAX_ADU_LENGTH];
    int length;
    while ((length = modbus_receive(context, request)) >= 0) {
        if (length > 0) {
            modbus_reply(context, request, length, mapping);
        }
    }
}

int main(void) {
    modbus_t *context = modbus_new_tcp("127.0.0.1", 0);
    modbus_mapping_t *mapping = modbus_mapping_new(ENTRIES, ENTRIES, ENTRIES, ENTRIES);
    if (!context || !mapping) {
        return EXIT_FAILURE;
    }
    for (int i = 0; i < ENTRIES; i++) {
        mapping->tab_input_registers[i] = (uint16_t) (i + 1);
        mapping->tab_input_bits[i] = i % 2 == 1;
    }
    int listener = open_listener(context);
    while (modbus_tcp_accept(context, &listener) >= 0) {
        serve(context, mapping);
        close(modbus_get_socket(context));
    }
    return EXIT_FAILURE;
}
