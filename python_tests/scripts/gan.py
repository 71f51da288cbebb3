"""Two nets against each other, batch by batch; one is frozen inside the other (Keras 2)."""

import numpy as np
from keras.layers import (
    Activation,
    BatchNormalization,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    Input,
    LeakyReLU,
    Reshape,
    UpSampling2D,
    ZeroPadding2D,
)
from keras.models import Model, Sequential
from keras.optimizers import Adam


class DCGAN:
    def __init__(self):
        self.img_shape = (8, 8, 1)
        self.latent_dim = 10
        optimizer = Adam(0.0002, 0.5)
        self.discriminator = self.build_discriminator()
        self.discriminator.compile(
            loss="binary_crossentropy", optimizer=optimizer, metrics=["accuracy"]
        )
        self.generator = self.build_generator()
        z = Input(shape=(self.latent_dim,))
        img = self.generator(z)
        self.discriminator.trainable = False
        valid = self.discriminator(img)
        self.combined = Model(z, valid)
        self.combined.compile(loss="binary_crossentropy", optimizer=Adam(0.0002, 0.5))

    def build_generator(self):
        model = Sequential()
        model.add(Dense(16 * 2 * 2, activation="relu", input_dim=self.latent_dim))
        model.add(Reshape((2, 2, 16)))
        model.add(UpSampling2D())
        model.add(Conv2D(16, kernel_size=3, padding="same"))
        model.add(BatchNormalization(momentum=0.8))
        model.add(Activation("relu"))
        model.add(UpSampling2D())
        model.add(Conv2D(1, kernel_size=3, padding="same"))
        model.add(Activation("tanh"))
        model.summary()
        noise = Input(shape=(self.latent_dim,))
        return Model(noise, model(noise))

    def build_discriminator(self):
        model = Sequential()
        model.add(Conv2D(8, kernel_size=3, strides=2, input_shape=self.img_shape, padding="same"))
        model.add(LeakyReLU(alpha=0.2))
        model.add(Dropout(0.25))
        model.add(Conv2D(16, kernel_size=3, strides=2, padding="same"))
        model.add(ZeroPadding2D(padding=((0, 1), (0, 1))))
        model.add(BatchNormalization(momentum=0.8))
        model.add(LeakyReLU(alpha=0.2))
        model.add(Flatten())
        model.add(Dense(1, activation="sigmoid"))
        img = Input(shape=self.img_shape)
        return Model(img, model(img))

    def train(self, x_train, epochs, batch_size=32):
        valid = np.ones((batch_size, 1))
        fake = np.zeros((batch_size, 1))
        for epoch in range(epochs):
            idx = np.random.randint(0, x_train.shape[0], batch_size)
            imgs = x_train[idx]
            noise = np.random.normal(0, 1, (batch_size, self.latent_dim))
            gen_imgs = self.generator.predict(noise)
            d_loss_real = self.discriminator.train_on_batch(imgs, valid)
            d_loss_fake = self.discriminator.train_on_batch(gen_imgs, fake)
            d_loss = 0.5 * np.add(d_loss_real, d_loss_fake)
            g_loss = self.combined.train_on_batch(noise, valid)
        print(
            "%d [D loss: %f, acc.: %.2f%%] [G loss: %f]"
            % (epoch, d_loss[0], 100 * d_loss[1], g_loss)
        )
        return d_loss


np.random.seed(0)
x_train = np.tanh(np.random.normal(0.5, 0.2, (256, 8, 8, 1)))
gan = DCGAN()
frozen = gan.discriminator.get_weights()
made = gan.generator.get_weights()
gan.combined.train_on_batch(np.random.normal(size=(4, 10)), np.ones((4, 1)))
assert all(np.array_equal(a, b) for a, b in zip(frozen, gan.discriminator.get_weights()))
assert not all(np.array_equal(a, b) for a, b in zip(made, gan.generator.get_weights()))
d_loss = gan.train(x_train, epochs=60)
assert not all(np.array_equal(a, b) for a, b in zip(frozen, gan.discriminator.get_weights()))
assert np.isfinite(d_loss).all()
