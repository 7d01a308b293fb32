/* SPDX-License-Identifier: MIT */
/* The Modbus client's transaction ids: they are reused, but never while a response to the old request may
   still come. */
#include "modbus/modbus_client.h"
#include "ptk_test.h"

#define UNIT 3

/* A server that answers every request for one register, but not the first `deaf` ones. */
typedef struct fake {
    ptk_sock_t *listener;
    ptk_addr_t address;
    uint32_t deaf;
    uint32_t answered;
    uint16_t last_id;
} fake_t;

static ptk_err answer_all(void *arg) {
    fake_t *fake = arg;
    uint8_t frame[MODBUS_HEADER_BYTES + 5];
    modbus_header_t header;
    ptk_sock_t *sock = ptk_sock_accept(fake->listener, NULL, NULL, PTK_TIMEOUT_INFINITE);
    CHECK(sock);
    while (ptk_sock_recv(sock, frame, sizeof frame, PTK_TIMEOUT_INFINITE) == PTK_OK) {
        CHECK(modbus_header_decode(frame, &header));
        fake->last_id = header.transaction;
        if (fake->deaf > 0) {
            fake->deaf--;
            continue;
        }
        header.pdu_bytes = 4;
        modbus_header_encode(&header, frame);
        frame[MODBUS_HEADER_BYTES + 1] = 2; /* the byte count, and what was the address becomes the value */
        CHECK_OK(ptk_sock_send(sock, frame, MODBUS_HEADER_BYTES + 4, PTK_TIMEOUT_INFINITE));
        fake->answered++;
    }
    ptk_sock_close(sock);
    return PTK_OK;
}

static void open_fake(fake_t *fake, ptk_event_loop_platform_t *loop) {
    fake->listener = ptk_sock_open(loop, AF_INET, SOCK_STREAM, 0);
    CHECK(fake->listener);
    CHECK_OK(ptk_addr_parse("127.0.0.1:0", &fake->address));
    CHECK_OK(ptk_sock_bind(fake->listener, ptk_addr_sockaddr(&fake->address), fake->address.length));
    CHECK_OK(ptk_sock_listen(fake->listener, 1));
    CHECK_OK(ptk_sock_local_addr(fake->listener, (struct sockaddr *) &fake->address.storage,
                                 &fake->address.length));
}

/* Runs a client against a fake server. */
static void run_against(fake_t *fake, ptk_green_fn client) {
    ptk_err result = PTK_ERR_CANCELED;
    ptk_event_loop_platform_t *loop = ptk_event_loop_platform_create();
    CHECK(loop);
    open_fake(fake, loop);
    CHECK_OK(ptk_go(loop, answer_all, fake));
    ptk_green_t *green = ptk_green_spawn(loop, NULL, client, fake);
    CHECK(green);
    CHECK_OK(ptk_scheduler_run(loop));
    CHECK_OK(ptk_green_join(green, &result, 0));
    CHECK_OK(result);
    ptk_sock_close(fake->listener);
    CHECK_OK(ptk_event_loop_platform_destroy(loop));
}

static modbus_result_t ask(modbus_client_t *client) {
    uint16_t value;
    return modbus_read_holding_registers(client, UNIT, (modbus_range_t) {0, 1}, &value);
}

static ptk_err go_round(void *arg) {
    fake_t *fake = arg;
    modbus_client_t client;
    CHECK_OK(modbus_client_connect(&client, &fake->address, PTK_TIMEOUT_INFINITE));
    CHECK(modbus_is_ok(ask(&client)));
    client.transaction = UINT16_MAX; /* as after 65,535 requests */
    client.ids_sent = 65535;
    for (unsigned turn = 0; turn < 3; turn++) {
        CHECK(modbus_is_ok(ask(&client)));
        CHECK_EQ(fake->last_id, turn);
        CHECK_EQ(client.ids_sent, 65536);
    }
    modbus_client_close(&client);
    return PTK_OK;
}

TEST(transaction_ids_wrap_around) {
    fake_t fake = {0};
    run_against(&fake, go_round);
    CHECK_EQ(fake.answered, 4);
}

static ptk_err time_out_and_go_on(void *arg) {
    fake_t *fake = arg;
    modbus_client_t client;
    CHECK_OK(modbus_client_connect(&client, &fake->address, PTK_TIMEOUT_INFINITE));
    client.timeout_ms = 1;
    CHECK_ERR(ask(&client).err, PTK_ERR_TIMEOUT);
    CHECK_EQ(client.ids_left, 65535);
    client.timeout_ms = PTK_TIMEOUT_INFINITE;
    CHECK(modbus_is_ok(ask(&client)));
    client.ids_left = 2; /* as after many more requests */
    CHECK(modbus_is_ok(ask(&client)));
    CHECK(modbus_is_ok(ask(&client)));
    CHECK_ERR(ask(&client).err, PTK_ERR_CLOSED);
    CHECK(!client.sock);
    CHECK_ERR(ask(&client).err, PTK_ERR_CLOSED);
    modbus_client_close(&client);
    return PTK_OK;
}

TEST(the_id_of_a_lost_request_is_not_reused) {
    fake_t fake = {.deaf = 1};
    run_against(&fake, time_out_and_go_on);
    CHECK_EQ(fake.answered, 3);
}

static ptk_err ask_too_much(void *arg) {
    fake_t *fake = arg;
    modbus_client_t client;
    uint16_t values[MODBUS_READ_REGISTERS_MAX + 1] = {0};
    bool bits[MODBUS_WRITE_BITS_MAX + 1] = {0};
    CHECK_OK(modbus_client_connect(&client, &fake->address, PTK_TIMEOUT_INFINITE));
    modbus_range_t registers = {0, MODBUS_READ_REGISTERS_MAX + 1};
    modbus_range_t coils = {0, MODBUS_WRITE_BITS_MAX + 1};
    CHECK_ERR(modbus_read_holding_registers(&client, UNIT, registers, values).err, PTK_ERR_INVALID_PARAM);
    CHECK_ERR(modbus_write_registers(&client, UNIT, registers, values).err, PTK_ERR_INVALID_PARAM);
    CHECK_ERR(modbus_write_coils(&client, UNIT, coils, bits).err, PTK_ERR_INVALID_PARAM);
    CHECK(modbus_is_ok(ask(&client))); /* nothing was sent, so the connection still works */
    modbus_client_close(&client);
    return PTK_OK;
}

TEST(counts_over_the_limits_send_nothing) {
    fake_t fake = {0};
    run_against(&fake, ask_too_much);
    CHECK_EQ(fake.answered, 1);
}
