"""What a net computes inside: K.function, models of inner layers (Keras 2)."""

import numpy as np
from keras import backend as K
from keras import models
from keras.layers import Activation, Conv2D, Dense, Dropout, Flatten, MaxPooling2D
from keras.models import Sequential

model = Sequential()
model.add(Conv2D(4, (3, 3), input_shape=(8, 8, 1), name="conv"))
model.add(Activation("relu", name="relu"))
model.add(MaxPooling2D((2, 2), name="pool"))
model.add(Dropout(0.5, name="dropout"))
model.add(Flatten(name="flatten"))
model.add(Dense(3, activation="softmax", name="answer"))
model.compile("sgd", "categorical_crossentropy")
x = np.random.RandomState(0).rand(5, 8, 8, 1)

layer_outputs = [layer.output for layer in model.layers]
activation_model = models.Model(inputs=model.input, outputs=layer_outputs)
activations = activation_model.predict(x)
print([a.shape for a in activations])
get_3rd_layer_output = K.function([model.layers[0].input], [model.layers[2].output])
third = get_3rd_layer_output([x])[0]
assert np.allclose(third, activations[2], atol=1e-6)
phased = K.function(
    [model.layers[0].input, K.learning_phase()], [model.get_layer("dropout").output]
)
assert np.allclose(phased([x, 0])[0], third, atol=1e-6)
assert (phased([x, 1])[0] == 0).mean() > (third == 0).mean()
filters, biases = model.get_layer("conv").get_weights()
print(filters.shape, biases.shape, model.layers[0].output_shape, model.layers[-1].input_shape)
intermediate = models.Model(inputs=model.input, outputs=model.get_layer("flatten").output)
print(intermediate.predict(x).shape, K.int_shape(model.output), K.ndim(model.output))
print([layer.__class__.__name__ for layer in model.layers], model.layers[0].get_config()["filters"])
